"""Decides whether a new Non-RT process continues the cell's life or begins a new one.

It also says what the axes wait for then. `nonrt.beginning` asks it through `durable_state.restore`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fieldstack.ha.decision.context.decision_state import (
    AT_FIRST_START,
    FIRST_START,
    DecisionState,
    InterlockCause,
    Key,
    RestartInterlock,
)
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy.in_force.restart_budget import spent, to_keep
from fieldstack.ha.policy.in_force.view import Policy
from fieldstack_base.units import NS_PER_MS

NONRT_GONE = InterlockCause(Key("nonrt-gone", "fieldstack-nonrt"), "the Non-RT process was started again")
NOT_STARTED_YET = InterlockCause(
    Key("not-started", "cell"), "the cell was started, and nobody has started its axes (auto_start: false)"
)


@dataclass(frozen=True, slots=True)
class CellStart:
    """`id` is new with each start of the whole cell. `auto_start`: the axes are to move at once.
    `silent_since_ns`: the last beat of the Non-RT process before; 0: unknown. `failed`: that process did
    not announce its end."""

    id: str = ""
    auto_start: bool = False
    silent_since_ns: int = 0
    failed: bool = False

    def interlock(
        self, kept: RestartInterlock, policy: Policy, now_ns: int, *, new: bool
    ) -> RestartInterlock:
        """Why the axes stand at the beginning. Only a person lifts what was kept from an earlier life."""
        if new:
            first = AT_FIRST_START if self.auto_start else NOT_STARTED_YET
            left = (one for one in kept.causes if one.key.rule not in (FIRST_START, NOT_STARTED_YET.key.rule))
            causes = (first, *(replace(one, within_ns=0) for one in left))
            return RestartInterlock(kept.since_ns or now_ns, causes)
        within_ns = policy.rt_agent.resume_within_ms * NS_PER_MS if self.silent_since_ns else 0
        gone_ns = self.silent_since_ns or now_ns
        since_ns = min(kept.since_ns, gone_ns) if kept.since_ns else gone_ns
        others = tuple(one for one in kept.causes if one.key != NONRT_GONE.key)
        return RestartInterlock(since_ns, (*others, replace(NONRT_GONE, within_ns=within_ns)))

    def counted(self, state: DecisionState, policy: Policy, now_ns: int) -> DecisionState:
        """Counts this start of Non-RT as a restart. systemd or `up` has made it, and their own limits miss
        restarts that are rare. A spent budget is a fact like any other."""
        budget, use = policy.budget(ProcessName.NONRT), state.budget(ProcessName.NONRT)
        if not self.failed or budget is None or use.spent:
            return state
        if found := spent(use.restarts, now_ns, budget):
            text = f"{ProcessName.NONRT} ended unasked, and was restarted {found}"
            return state.with_budget(replace(use, spent=text))
        kept = to_keep((*use.restarts, now_ns), now_ns, budget)
        return state.with_budget(replace(use, restarts=kept))


NO_CELL_START = CellStart()
