"""Timelines for the decision core: "10 ms later RT dies: RECOVERY, REBOOT_PROCESS"."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from fieldstack.ha.checkpoint.cell_start import CellStart
from fieldstack.ha.checkpoint.durable_state import restore, to_record
from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.decision.decide import decide
from fieldstack.ha.model.actions import Action, ActionKind, ActionOutcome, Step
from fieldstack.ha.model.facts import (
    BusFacts,
    EstopFacts,
    Facts,
    GuardFacts,
    PositionCheck,
    ProcessCondition,
    ProcessFacts,
    Request,
    RequestKind,
)
from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import ClearWhen, ProcessName
from fieldstack.ha.policy import FailoverPolicy, load_policy
from fieldstack.ha.scenario.model_axes import ModelAxes

MS = 1_000_000
SHIPPED = Path(__file__).parents[2] / "config/ha/failover_policy.json"
HEALTHY_BUS = BusFacts(
    cycling=True,
    wkc=14,
    expected_wkc=14,
    wkc_good=True,
    all_op=True,
    positions=PositionCheck.AGREE,
    first_cycle_ns=1,
)


class Script:
    """A cell on paper: change its facts, let time pass, look at what is decided.

    Orders to start a process are carried out here as the manager would: a new start, STARTING.
    """

    def __init__(self, policy: FailoverPolicy | None = None) -> None:
        self.policy = policy or load_policy(SHIPPED)
        self.now = 10**12
        self.state = DecisionState()
        self.facts = Facts(core=ProcessFacts(ProcessName.CORE))
        self.actions: tuple[Action, ...] = ()
        self._request = 0
        self.unanswered: set[ActionKind] = set()
        self.failing: set[ActionKind] = set()
        self.axes = ModelAxes()
        self.decided_on = self.facts

    def later(self, ms: float = 20) -> Script:
        self.now += round(ms * MS)
        self.facts = replace(self.facts, axes=self.axes.axes_facts(self.now, self.facts))
        self.decided_on = self.facts
        self.state, self.actions = decide(self.now, self.state, self.facts, self.policy)
        outcomes = tuple(self._outcome(action) for action in self.actions if action.id)
        self.facts = replace(self.facts, requests=(), outcomes=tuple(one for one in outcomes if one))
        for action in self.actions:
            self._carry_out(action)
        self.axes.apply_actions(self.actions, self.now)
        return self

    def _outcome(self, action: Action) -> ActionOutcome | None:
        if action.kind in self.unanswered:
            return None
        return ActionOutcome(action.id, action.kind not in self.failing, "as told")

    def sees(self, fact: FactKind, subject: str, value: float = 1.0, detail: str = "") -> Script:
        """From now on the probes measure this."""
        others = [one for one in self.facts.measures if (one.fact, one.subject) != (fact, subject)]
        self.facts = replace(self.facts, measures=(*others, Measure(fact, subject, value, detail)))
        return self

    def rules(self) -> set[str]:
        return {one.key.rule for one in self.state.active_rules}

    def _carry_out(self, action: Action) -> None:
        if action.kind in (ActionKind.START_PROCESS, ActionKind.REBOOT_PROCESS) and action.process:
            self.process(action.process, ProcessCondition.STARTING, new=True)
            if action.process is ProcessName.RT:
                self.facts = replace(self.facts, bus=BusFacts(), guard=GuardFacts())
        elif action.kind is ActionKind.EMERGENCY_STOP:
            estop = self.facts.estop
            if action.until is ClearWhen.RESET:
                self.estop(on_reset=estop.on_reset | 4)
            else:
                self.estop(on_recovery=estop.on_recovery | 4)
        elif action.kind is ActionKind.CLEAR_LATCH and action.until is ClearWhen.RESET:
            self.estop(on_reset=self.facts.estop.on_reset & ~action.sources)
        elif action.kind is ActionKind.CLEAR_LATCH:
            self.estop(on_recovery=self.facts.estop.on_recovery & ~action.sources)
        elif action.kind is ActionKind.FENCE_PROCESS and action.process:
            self.process(action.process, self.of(action.process).condition, gone=True)
        elif action.kind is ActionKind.STOP_PROCESS and action.process:
            self.process(action.process, ProcessCondition.STOPPING, stop_requested=True)

    def of(self, name: ProcessName) -> ProcessFacts:
        process = self.facts.rt if name is ProcessName.RT else self.facts.core
        assert process is not None
        return process

    def process(
        self,
        name: ProcessName,
        condition: ProcessCondition,
        *,
        new: bool = False,
        why: str = "",
        **more: object,
    ) -> Script:
        old = self.of(name)
        start = old.start_id + 1 if new else old.start_id
        alive = condition in (ProcessCondition.STARTING, ProcessCondition.RUNNING, ProcessCondition.SILENT)
        more.setdefault("gone", not alive)
        fresh = ProcessFacts(name, condition, start, 1000 + start, self.now, self.now, why=why, **more)  # type: ignore[arg-type]
        changed = {"rt": fresh} if name is ProcessName.RT else {"core": fresh}
        self.facts = replace(self.facts, **changed)  # type: ignore[arg-type]
        return self

    def rt(self, condition: ProcessCondition, **more: object) -> Script:
        return self.process(ProcessName.RT, condition, **more)  # type: ignore[arg-type]

    def core(self, condition: ProcessCondition, **more: object) -> Script:
        return self.process(ProcessName.CORE, condition, **more)  # type: ignore[arg-type]

    def bus(self, **changes: object) -> Script:
        """RT's verdict on the working counter follows from the numbers, unless it is among the changes."""
        bus = replace(self.facts.bus, **changes)  # type: ignore[arg-type]
        if "wkc_good" not in changes:
            bus = replace(bus, wkc_good=bus.consecutive_bad_wkc == 0 and bus.wkc == bus.expected_wkc)
        self.facts = replace(self.facts, bus=bus)
        return self

    def estop(self, **changes: object) -> Script:
        self.facts = replace(self.facts, estop=replace(self.facts.estop, **changes))  # type: ignore[arg-type]
        return self

    def operator_stops(self) -> Script:
        self.facts = replace(self.facts, estop=EstopFacts(on_reset=1, reasons=("operator: hand in the way",)))
        return self

    def guard(self, **times: Any) -> Script:
        self.facts = replace(self.facts, guard=GuardFacts(tripped=True, **times))
        return self

    def comes_up(self) -> Script:
        """RT (and Core) run, the bus is in OP, the guard watches."""
        self.rt(ProcessCondition.RUNNING)
        if self.facts.core and self.facts.core.condition is ProcessCondition.STARTING:
            self.core(ProcessCondition.RUNNING)
        self.facts = replace(self.facts, bus=HEALTHY_BUS, guard=GuardFacts(watching=True))
        return self

    def dies(self, why: str = "killed by SIGKILL") -> Script:
        """RT is killed and the guard has done its work."""
        self.rt(ProcessCondition.DEAD, why=why)
        now = self.now
        return self.guard(detected_ns=now, fenced_ns=now + 1, safe_frame_ns=now + 2, confirmed_ns=now + 3)

    def asks(self, kind: RequestKind, subject: str = "") -> Script:
        self._request += 1
        request = Request(self._request, kind, "Ann", "looked at it", subject)
        self.facts = replace(self.facts, requests=(*self.facts.requests, request))
        return self

    def new_life(self) -> Script:
        """The Non-RT process has crashed: its successor adopts what is alive, and knows what was kept."""
        kept = json.loads(json.dumps(to_record(self.state, self.facts.estop, self.now, self.now)))
        life = CellStart(silent_since_ns=self.now)
        self.state = restore(kept, self.policy, self.now, self.now, life)
        self.axes.apply_actions((Action(ActionKind.SAFE_MODE_ENTER, "restart", "no permit yet"),), self.now)
        for name in (ProcessName.RT, ProcessName.CORE):
            if (name is ProcessName.RT or self.facts.core) and not self._adopted(name):
                fresh = {name.removeprefix("fieldstack-"): ProcessFacts(name)}
                self.facts = replace(self.facts, **fresh)  # type: ignore[arg-type]
        guard = GuardFacts() if self.facts.rt.gone else self.facts.guard
        self.facts = replace(self.facts, guard=guard, outcomes=())
        return self

    def _adopted(self, name: ProcessName) -> bool:
        process = self.of(name)
        if not process.gone:
            working = process.condition is ProcessCondition.RUNNING
            self.process(name, ProcessCondition.RUNNING if working else ProcessCondition.STARTING)
        return not process.gone

    def operational(self) -> Script:
        self.later()
        self.comes_up().later()
        assert self.state.ha is HaState.OPERATIONAL, self.state
        return self.later().later()  # its axes are started

    @property
    def ha(self) -> HaState:
        return self.state.ha

    @property
    def kinds(self) -> list[ActionKind]:
        return [action.kind for action in self.actions]

    @property
    def steps(self) -> list[Step | None]:
        return [action.step for action in self.actions if action.kind is ActionKind.RECORD_STEP]

    @property
    def answer(self) -> Action:
        return next(action for action in self.actions if action.kind is ActionKind.ANSWER)
