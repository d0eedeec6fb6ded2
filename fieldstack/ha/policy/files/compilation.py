"""Compiles the validated schema to the plain form in which a policy is in force. Used by `cache`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from fieldstack.ha.policy.in_force.compiled import CompiledPolicy, RestartLimits, RtAgentTimes, Watched
from fieldstack.ha.policy.validation.processes import ProcessPolicy
from fieldstack.ha.policy.validation.schema import FailoverPolicy
from fieldstack_base.units import NS_PER_MS

Part = TypeVar("Part")


def compile_policy(policy: FailoverPolicy, stop_ms: int = 0) -> CompiledPolicy:
    """`stop_ms`: in which the axes of this cell stand; 0: as the policy says."""
    return CompiledPolicy(
        digest(policy),
        _taken(RtAgentTimes, policy.rt_agent),
        tuple(_watched(section) for section in policy.processes),
        tuple(_taken(RestartLimits, budget) for budget in policy.all_budgets),
        tuple(policy.table.rows.values()),
        max(stop_ms, policy.timing.stop_ms) * NS_PER_MS,
    )


def digest(policy: FailoverPolicy) -> str:
    """A digest of its content without comments: it says later which policy led to an action."""
    return hashlib.sha256(policy.model_dump_json(exclude_none=True).encode()).hexdigest()[:16]


def _watched(section: ProcessPolicy) -> Watched:
    codes = tuple(section.refusal_exit_codes)
    return _taken(Watched, section, subject=section.process_name.value, refusal_exit_codes=codes)


def _taken(kind: Callable[..., Part], source: object, **known: Any) -> Part:
    """A part with the values that the schema has under the same names."""
    names = [field.name for field in fields(kind) if field.name not in known]  # type: ignore[arg-type]
    return kind(**known, **{name: getattr(source, name) for name in names})
