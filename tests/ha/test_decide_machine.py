"""A cell to which anything may happen, in any order: what holds after every decision; that it comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from fieldstack.ha.decision.decide import decide
from fieldstack.ha.model.actions import ActionKind as A
from fieldstack.ha.model.facts import PositionCheck, RequestKind
from fieldstack.ha.model.facts import ProcessCondition as C
from fieldstack.ha.model.measures import FACTS, Comparison, FactKind
from fieldstack.ha.model.states import MOVING
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy import FailoverPolicy, parse_policy
from tests.ha.rules_of_safety import Restarts, Starts, check
from tests.ha.script import SHIPPED, Script

_WORDS = (RequestKind.RULE, RequestKind.RULE_OFF)
DOWN = (C.DEAD, C.SILENT, C.STOPPED, C.STOPPING)
PROBED = [
    (FactKind.SLAVE_LOST, "slave:a"),
    (FactKind.SLAVE_AL_ERROR, "slave:a"),
    (FactKind.SLAVE_LOST, "slave:b"),
    (FactKind.MODULE_DEAD, "module:health"),
    (FactKind.MEMORY_HIGH, ProcessName.CORE.value),
    (FactKind.PREDICTED_EXHAUSTION, ProcessName.CORE.value),
    (FactKind.FOLLOWING_ERROR, "axis:x"),
    (FactKind.DRIVE_FAULT, "axis:x"),
    (FactKind.TEMPERATURE_HIGH, "host"),
    (FactKind.DATASTORE_INCONSISTENT, "datastore"),
]
WAITS = st.sampled_from([1, 20, 100, 600, 3000, 15_000, 70_000])
ANSWERED = [A.EMERGENCY_STOP, A.SAFE_MODE_ENTER, A.DEGRADE, A.RESTART_SLAVE, A.RESTART_MODULE, A.SEND_ALERT]


@cache
def few_restarts() -> FailoverPolicy:
    """The shipped policy with small budgets, so that they are spent within a few steps."""
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    for section in (*data["processes"], *data["budgets"]):
        section |= {"max_restart_count": 2, "restart_window_sec": 120}
    return parse_policy(json.dumps(data))


class AnyCell(RuleBasedStateMachine):
    """Each rule is something that happens; after each the cell decides."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = Script(few_restarts())
        self.restarts = Restarts()
        self.starts = Starts()

    def _decide(self, ms: float = 20) -> None:
        before = self.cell.state
        self.cell.later(ms)
        facts = self.cell.decided_on
        check(before, facts, self.cell)
        self.restarts.note(before, self.cell)
        self.starts.note(self.cell)
        again = decide(self.cell.now, before, facts, self.cell.policy)
        assert again == (self.cell.state, self.cell.actions), "not pure"

    @rule(ms=WAITS)
    def time_passes(self, ms: int) -> None:
        self._decide(ms)

    @rule(ms=WAITS)
    def what_was_started_works(self, ms: int) -> None:
        for name in (ProcessName.RT, ProcessName.CORE):
            if self.cell.of(name).condition is C.STARTING:
                self.cell.process(name, C.RUNNING)
        self._good_bus()
        self._decide(ms)

    @rule(
        name=st.sampled_from([ProcessName.RT, ProcessName.CORE]),
        to=st.sampled_from(DOWN),
        code=st.integers(1, 4),
    )
    def a_process_fails(self, name: ProcessName, to: C, code: int) -> None:
        if self.cell.of(name).start_id:
            asked = self.cell.of(name).stop_requested
            self.cell.process(name, to, why="for some reason", exit_code=code, stop_requested=asked)
            if name is ProcessName.RT:
                now = self.cell.now
                self.cell.guard(detected_ns=now, fenced_ns=now + 1, confirmed_ns=now + 2)
        self._decide()

    @rule(name=st.sampled_from([ProcessName.RT, ProcessName.CORE]), times=st.integers(1, 5), ms=WAITS)
    def a_process_fails_whenever_it_is_started(self, name: ProcessName, times: int, ms: int) -> None:
        for _ in range(times):
            self.a_process_fails(name=name, to=C.DEAD, code=1)
            self._decide(ms)

    @rule(row=st.sampled_from([1, 5, 500]))
    def the_working_counter_is_low(self, row: int) -> None:
        self.cell.bus(wkc=9, consecutive_bad_wkc=row)
        self._decide()

    def _good_bus(self) -> None:
        if self.cell.facts.rt.condition is C.RUNNING:
            core = self.cell.facts.core
            assert core is not None
            self.cell.comes_up()
            self.cell.facts = replace(self.cell.facts, core=core)

    @rule(positions=st.sampled_from(PositionCheck))
    def the_axes_are_somewhere(self, positions: PositionCheck) -> None:
        self.cell.bus(positions=positions)
        self._decide()

    @rule(which=st.sampled_from(PROBED), bad=st.booleans(), ms=WAITS)
    def a_probe_tells(self, which: tuple[FactKind, str], bad: bool, ms: int) -> None:
        self.cell.sees(*which, self._value(which[0], bad=bad))
        self._decide(1)
        self._decide(ms)

    @rule(ms=st.sampled_from([100, 1500, 4000]))
    def two_rules_want_the_same_restart(self, ms: int) -> None:
        for fact in (FactKind.SLAVE_LOST, FactKind.SLAVE_AL_ERROR):
            self.cell.sees(fact, "slave:a", 1.0)
        for _ in range(4):
            self._decide(ms)

    @staticmethod
    def _value(fact: FactKind, *, bad: bool) -> float:
        if FACTS[fact].over is Comparison.AT_MOST:
            return 0.0 if bad else 1e9
        return 1000.0 if bad else 0.0

    @rule(safe=st.booleans())
    def the_moment(self, safe: bool) -> None:
        self.cell.facts = replace(self.cell.facts, safe_moment=safe)
        self._decide()

    @rule(kind=st.sampled_from(ANSWERED), how=st.sampled_from(["confirmed", "failed", "silent"]))
    def orders_are_answered(self, kind: A, how: str) -> None:
        for kinds in (self.cell.failing, self.cell.unanswered):
            kinds.discard(kind)
        if how != "confirmed":
            (self.cell.failing if how == "failed" else self.cell.unanswered).add(kind)
        self._decide()

    @rule()
    def a_person_presses_emergency_stop(self) -> None:
        self.cell.operator_stops()
        self._decide()

    @rule(
        kind=st.sampled_from(
            [RequestKind.RESET, RequestKind.RESET, RequestKind.START, RequestKind.ACK, *_WORDS]
        ),
    )
    def a_person_asks(self, kind: RequestKind) -> None:
        self.cell.asks(kind, subject="operator:slow" if kind in _WORDS else "")
        self._decide()

    @rule(subject=st.sampled_from([*ProcessName, "slave:a", "module:health", "nonsense"]))
    def a_person_restarts(self, subject: str) -> None:
        self.cell.asks(RequestKind.RESTART, subject=subject)
        self._decide()

    @rule(ms=WAITS)
    def the_non_rt_process_is_restarted(self, ms: int) -> None:
        self.cell.new_life()
        self._decide(ms)

    def teardown(self) -> None:
        """Everything is mended: the cell comes back by itself, or tells that it waits for a person; it comes
        back then."""
        cell = self.cell
        cell.failing.clear()
        cell.unanswered.clear()
        for fact, subject in PROBED:
            cell.sees(fact, subject, self._value(fact, bad=False))
        self._go_on(60)
        if cell.ha not in MOVING:
            waits = any(one.hold or one.clear.value == "reset" for one in cell.state.active_rules)
            latched = cell.facts.estop.on_reset
            assert waits or latched or cell.facts.rt.condition in DOWN, cell.state
            for _ in range(3):
                cell.asks(RequestKind.RESET)
                self._go_on(30)
        assert cell.ha in MOVING, cell.state
        if not cell.axes.moves:
            assert cell.state.interlock.causes
            cell.asks(RequestKind.START)
            self._decide(20)
            assert cell.answer.confirmed, cell.answer
            self._decide(20)
        assert cell.axes.moves, cell.state

    def _go_on(self, times: int) -> None:
        cell = self.cell
        for _ in range(times):
            for name in (ProcessName.RT, ProcessName.CORE):
                process = cell.of(name)
                if process.condition is C.STARTING:
                    cell.process(name, C.RUNNING)
                elif process.condition in (C.STOPPING, C.SILENT) or process.gone:
                    asked = process.stop_requested
                    to = C.STOPPED if process.condition is C.STOPPING else process.condition
                    cell.process(
                        name, to, stop_requested=asked or to is C.STOPPED, gone=True, why=process.why
                    )
            self._good_bus()
            self._decide(20)
            self._decide(2000)


TestAnyCell = AnyCell.TestCase
TestAnyCell.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
