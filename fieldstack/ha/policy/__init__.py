"""The failover policy: which fact leads to which actions, as data.

What needs pydantic is loaded when it is asked for: a restarted Non-RT process, which finds the policy
compiled, works without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldstack.ha.policy.in_force.errors import PolicyError

if TYPE_CHECKING:
    from fieldstack.ha.policy.files.loading import load_policy, parse_policy
    from fieldstack.ha.policy.validation.schema import (
        FailoverPolicy,
        ProcessPolicy,
        RtAgent,
        Rule,
        json_schema,
    )

__all__ = [
    "FailoverPolicy",
    "PolicyError",
    "ProcessPolicy",
    "RtAgent",
    "Rule",
    "json_schema",
    "load_policy",
    "parse_policy",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fieldstack.ha.policy.files import loading
    from fieldstack.ha.policy.validation import schema

    return getattr(loading if name in ("load_policy", "parse_policy") else schema, name)
