"""Writes the policy's section `rt_agent` into the words of shared memory that RT's agent follows.

Used where a policy takes effect (`nonrt.policy_in_force`).
"""

from __future__ import annotations

from typing import Any

from fieldstack.ha.policy.in_force.view import Policy
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore import AgentReaction, DataStore

_REACTIONS = {"stop": AgentReaction.STOP, "hold": AgentReaction.HOLD}


def write_agent_settings(store: DataStore, policy: Policy) -> None:
    """Reactions are written last: while another reaction still applies, its times are already those of the
    policy."""
    for name, value in _settings(policy).items():
        setattr(store, f"agent_{name}", value)


def not_in_force(status: Any, policy: Policy) -> list[str]:
    """The settings that RT (`fs_rt_status`) does not apply as the policy says; a word of 0 means RT's own
    default."""
    return [
        name
        for name, value in _settings(policy).items()
        if value and int(getattr(status.agent, name)) != value
    ]


def _settings(policy: Policy) -> dict[str, int]:
    """By their names in `fs_agent_settings`."""
    agent = policy.rt_agent
    return {
        "slow_ns": agent.nonrt_slow_ms * NS_PER_MS,
        "timeout_ns": agent.nonrt_timeout_ms * NS_PER_MS,
        "grace_ns": agent.nonrt_startup_grace_ms * NS_PER_MS,
        "go_on_ns": agent.go_on_ms * NS_PER_MS,
        "hold_at_most_ns": agent.hold_at_most_ms * NS_PER_MS,
        "on_silent": _REACTIONS[agent.on_nonrt_silent],
        "on_dead": _REACTIONS[agent.on_nonrt_dead],
    }
