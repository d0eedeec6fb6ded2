"""Checks the times by which RT watches the Non-RT process, and computes the worst cases that follow.

Used by `checks`, `files.cell_targets` and `fieldstack policy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fieldstack.ha.policy.validation.schema import FailoverPolicy

PASSES = 2
"""How many supervision passes may lie between two beats of a healthy Non-RT process: one may be late."""


class AgentFault(NamedTuple):
    """`key` of the section `rt_agent`."""

    key: str
    value: int
    why: str
    remedy: str


class AgentTimes(NamedTuple):
    """The worst case of RT's reaction, in ms: `seen` after the failure, `begins`: its controlled stop."""

    what: str
    seen: float
    begins: float


def agent_faults(policy: FailoverPolicy) -> Iterator[AgentFault]:
    """Finds times with which a Non-RT process that works well would look as if it did not."""
    agent, timing = policy.rt_agent, policy.timing
    cycle_ms = timing.cycle_us / 1000
    beat_ms = max(PASSES * timing.supervision_interval_ms, cycle_ms)
    if agent.nonrt_timeout_ms < beat_ms:
        why = (
            f"is shorter than {beat_ms:g} ms ({PASSES} supervision passes, or a cycle), so that a Non-RT "
            "process that works well would look silent, and the axes would stop"
        )
        yield AgentFault("nonrt_timeout_ms", agent.nonrt_timeout_ms, why, "make it at least as long")
    least_ms = max(timing.supervision_interval_ms, cycle_ms)
    if agent.nonrt_slow_ms < least_ms:
        why = f"is shorter than a supervision pass or a cycle ({least_ms:g} ms): every pass would look slow"
        yield AgentFault("nonrt_slow_ms", agent.nonrt_slow_ms, why, "make it at least as long")
    if agent.nonrt_timeout_ms < agent.nonrt_slow_ms:
        why = f"is shorter than nonrt_slow_ms ({agent.nonrt_slow_ms}): silent comes after slow"
        yield AgentFault("nonrt_timeout_ms", agent.nonrt_timeout_ms, why, "make it at least as long")


def agent_times(policy: FailoverPolicy) -> tuple[AgentTimes, ...]:
    """RT checks in each cycle: it sees a beat, a death and the end of a time at most one cycle late."""
    agent, cycle_ms = policy.rt_agent, policy.timing.cycle_us / 1000
    silent, dead = agent.nonrt_timeout_ms + 2 * cycle_ms, 2 * cycle_ms
    over = agent.hold_at_most_ms + 2 * cycle_ms
    wait = agent.go_on_ms + cycle_ms if agent.go_on_ms else 0.0
    return (
        AgentTimes(f"Non-RT is silent: RT {_DOES[agent.on_nonrt_silent]}", silent, silent + wait),
        AgentTimes(f"Non-RT is dead: RT {_DOES[agent.on_nonrt_dead]}", dead, dead + wait),
        AgentTimes("Non-RT does not come back: RT takes the power off", over, over),
    )


_DOES = {"stop": "stops the axes, then power off", "hold": "stops the axes, which hold their position"}
