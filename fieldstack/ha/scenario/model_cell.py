"""A model of a cell: its facts change as a scenario says and as the decision's orders make them.

Used by `play`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fieldstack.ha.model.actions import Action, ActionKind, ActionOutcome
from fieldstack.ha.model.facts import (
    BusFacts,
    Facts,
    GuardFacts,
    PositionCheck,
    ProcessCondition,
    ProcessFacts,
    Request,
)
from fieldstack.ha.model.measures import Measure
from fieldstack.ha.model.vocabulary import ClearWhen, ProcessName
from fieldstack.ha.scenario.document import Moment, ProcessChange, Reading, Scenario
from fieldstack.ha.scenario.model_axes import ModelAxes
from fieldstack_base.units import NS_PER_MS

EXPECTED_WKC = 14
START_NS = {ProcessName.RT: 80 * NS_PER_MS, ProcessName.CORE: 300 * NS_PER_MS}
STOP_NS = 200 * NS_PER_MS
OPERATOR_BIT, POLICY_BIT = 1, 4
REFUSAL = 3
_CONDITIONS = {
    "running": ProcessCondition.RUNNING,
    "starting": ProcessCondition.STARTING,
    "silent": ProcessCondition.SILENT,
    "stopped": ProcessCondition.STOPPED,
    "dead": ProcessCondition.DEAD,
}
_STARTED = {
    "works": ProcessChange(condition="running"),
    "fails": ProcessChange(condition="dead", why="exit status 1 while it started", exit_code=1),
    "refuses": ProcessChange(condition="dead", why="exit status 3: another bus", exit_code=REFUSAL),
    "hangs": ProcessChange(condition="silent", why="not at work after its start-up grace"),
}
_ALIVE = (ProcessCondition.STARTING, ProcessCondition.RUNNING, ProcessCondition.SILENT)


@dataclass(slots=True)
class _Later:
    """Something that an order has set in motion."""

    at_ns: int
    name: ProcessName
    change: ProcessChange
    start_id: int
    stop_requested: bool = False


class ModelCell:
    """Holds the facts. `apply_actions` tells it what was ordered, `facts_at` asks how things are then."""

    def __init__(self, scenario: Scenario, now_ns: int) -> None:
        self._scenario = scenario
        core = ProcessFacts(ProcessName.CORE) if scenario.core else None
        self._facts = Facts(core=core, group_of=scenario.group_of)
        self._later: list[_Later] = []
        self._outcomes: list[tuple[int, ActionOutcome]] = []
        self._starts = {ProcessName.RT: "works", ProcessName.CORE: "works"}
        self._answers: dict[str, str] = {}
        self._readings: dict[tuple[str, str], Measure] = {}
        self._requests: list[Request] = []
        self._next_request = 1
        self._wkc, self._wkc_since_ns = EXPECTED_WKC, now_ns
        self._positions = PositionCheck.AGREE
        self.axes = ModelAxes()

    # ---- what the scenario says ----

    def apply_moment(self, moment: Moment, now_ns: int) -> None:
        for name, change in ((ProcessName.RT, moment.rt), (ProcessName.CORE, moment.core)):
            if change is not None:
                self._change(name, change, now_ns)
        if moment.working_counter is not None:
            self._wkc, self._wkc_since_ns = moment.working_counter, now_ns
        if moment.positions is not None:
            agree = moment.positions == "agree"
            self._positions = PositionCheck.AGREE if agree else PositionCheck.DIFFER
        if moment.estop is not None:
            bits = self._facts.estop.on_reset | OPERATOR_BIT
            self._estop(on_reset=bits, reasons=(f"operator: {moment.estop}",))
        if moment.safe_moment is not None:
            self._facts = replace(self._facts, safe_moment=moment.safe_moment)
        for reading in moment.measures:
            self._read(reading)
        if moment.ask is not None:
            ask = moment.ask
            self._requests.append(Request(self._next_request, ask.kind, ask.by, ask.note, ask.subject))
            self._next_request += 1
        self._starts |= {ProcessName(f"fieldstack-{name}"): how for name, how in moment.starts.items()}
        self._answers |= moment.answers

    def _read(self, reading: Reading) -> None:
        key = (reading.fact, reading.subject)
        self._readings.pop(key, None)
        if reading.value is not None:
            self._readings[key] = Measure(reading.fact, reading.subject, reading.value, reading.detail)

    def _estop(self, **changes: object) -> None:
        estop = replace(self._facts.estop, **changes)  # type: ignore[arg-type]
        self._facts = replace(self._facts, estop=estop)

    # ---- processes ----

    def _process(self, name: ProcessName) -> ProcessFacts | None:
        return self._facts.rt if name is ProcessName.RT else self._facts.core

    def _put(self, process: ProcessFacts) -> None:
        if process.name is ProcessName.RT:
            self._facts = replace(self._facts, rt=process)
        else:
            self._facts = replace(self._facts, core=process)

    def _change(
        self, name: ProcessName, change: ProcessChange, now_ns: int, *, stop_requested: bool = False
    ) -> None:
        old = self._process(name)
        if old is None:
            return
        condition = _CONDITIONS[change.condition]
        self._put(
            replace(
                old,
                condition=condition,
                pid=1000 + old.start_id,
                since_ns=now_ns,
                detected_ns=now_ns,
                stop_requested=stop_requested,
                gone=condition not in _ALIVE,
                why=change.why,
                exit_code=change.exit_code,
            )
        )
        if name is ProcessName.RT:
            self._guard(condition, now_ns)

    def _guard(self, condition: ProcessCondition, now_ns: int) -> None:
        """It fences a dead or silent RT and makes the outputs safe, within a millisecond."""
        lost = condition in (ProcessCondition.DEAD, ProcessCondition.SILENT)
        guard = GuardFacts(watching=condition is ProcessCondition.RUNNING)
        if lost:
            guard = GuardFacts(
                tripped=True,
                detected_ns=now_ns,
                fenced_ns=now_ns + 1,
                safe_frame_ns=now_ns + 2,
                confirmed_ns=now_ns + 3,
            )
        self._facts = replace(self._facts, guard=guard)

    def _start(self, name: ProcessName, now_ns: int) -> None:
        old = self._process(name)
        if old is None:
            return
        fresh = replace(old, start_id=old.start_id + 1)
        self._put(fresh)
        self._change(name, ProcessChange(condition="starting"), now_ns)
        change = _STARTED[self._starts[name]]
        self._later.append(_Later(now_ns + START_NS[name], name, change, fresh.start_id))

    # ---- what the decision orders ----

    def apply_actions(self, actions: tuple[Action, ...], now_ns: int) -> None:
        for action in actions:
            name = action.process
            if action.kind in (ActionKind.START_PROCESS, ActionKind.REBOOT_PROCESS) and name:
                self._start(name, now_ns)
            elif action.kind is ActionKind.STOP_PROCESS and name:
                self._stop(name, now_ns)
            elif action.kind is ActionKind.FENCE_PROCESS and name and (process := self._process(name)):
                self._put(replace(process, gone=True))
            elif action.kind in (ActionKind.EMERGENCY_STOP, ActionKind.CLEAR_LATCH):
                self._latch(action)
            if action.id:
                self._answer(action, now_ns)
        self.axes.apply_actions(actions, now_ns)

    def _stop(self, name: ProcessName, now_ns: int) -> None:
        process = self._process(name)
        if process is not None:
            self._put(
                replace(process, condition=ProcessCondition.STOPPING, stop_requested=True, since_ns=now_ns)
            )
            change = ProcessChange(condition="stopped", why="exit status 0")
            self._later.append(_Later(now_ns + STOP_NS, name, change, process.start_id, stop_requested=True))

    def _latch(self, action: Action) -> None:
        by_reset = action.until is not ClearWhen.GONE
        word = "on_reset" if by_reset else "on_recovery"
        bits = getattr(self._facts.estop, word)
        raised = action.kind is ActionKind.EMERGENCY_STOP
        bits = bits | POLICY_BIT if raised else bits & ~action.sources
        reasons = (f"policy: {action.cause}",) if raised else self._facts.estop.reasons
        self._estop(**{word: bits, "reasons": reasons})

    def _answer(self, action: Action, now_ns: int) -> None:
        said = self._answers.get(f"{action.kind.name} {action.subject}") or self._answers.get(
            action.kind.name
        )
        if said != "silent":
            outcome = ActionOutcome(action.id, said != "failed", "it did not work" if said else "read back")
            self._outcomes.append((now_ns + self._scenario.confirm_after, outcome))

    # ---- how things are ----

    def facts_at(self, now_ns: int) -> Facts:
        """The facts of the next decision; requests and outcomes are in them once."""
        for one in [later for later in self._later if later.at_ns <= now_ns]:
            self._later.remove(one)
            process = self._process(one.name)
            if process is not None and process.start_id == one.start_id and self._goes_on(process, one):
                self._change(one.name, one.change, now_ns, stop_requested=one.stop_requested)
        due = tuple(outcome for at_ns, outcome in self._outcomes if at_ns <= now_ns)
        self._outcomes = [one for one in self._outcomes if one[0] > now_ns]
        requests, self._requests = tuple(self._requests), []
        facts = replace(
            self._facts,
            bus=self._bus(now_ns),
            requests=requests,
            measures=tuple(self._readings.values()),
            outcomes=due,
        )
        return replace(facts, axes=self.axes.axes_facts(now_ns, facts))

    @staticmethod
    def _goes_on(process: ProcessFacts, later: _Later) -> bool:
        return process.condition is (
            ProcessCondition.STOPPING if later.stop_requested else ProcessCondition.STARTING
        )

    def _bus(self, now_ns: int) -> BusFacts:
        if self._facts.rt.condition is not ProcessCondition.RUNNING:
            return BusFacts()
        bad = self._wkc != EXPECTED_WKC
        since = max(self._wkc_since_ns, self._facts.rt.since_ns)
        return BusFacts(
            cycling=True,
            first_cycle_ns=self._facts.rt.since_ns,
            wkc=self._wkc,
            expected_wkc=EXPECTED_WKC,
            wkc_good=not bad,
            consecutive_bad_wkc=(now_ns - since) // NS_PER_MS + 1 if bad else 0,
            all_op=not bad,
            positions=self._positions,
        )
