"""The failover policy: which fact leads to which actions, as data."""

from fieldstack.ha.policy.errors import PolicyError
from fieldstack.ha.policy.loading import load_policy, parse_policy
from fieldstack.ha.policy.schema import FailoverPolicy, ProcessPolicy, RtAgent, Rule, json_schema

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
