"""Who starts the axes: a person, or what stopped them if it lets motion resume and they stood for less."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from fieldstack.ha.checkpoint.cell_start import CellStart
from fieldstack.ha.checkpoint.durable_state import restore, to_record
from fieldstack.ha.decision.context.decision_state import DecisionState, RestartInterlock
from fieldstack.ha.decision.restart_interlock import cause_text
from fieldstack.ha.model.actions import ActionKind as A
from fieldstack.ha.model.facts import PositionCheck, RequestKind
from fieldstack.ha.model.facts import ProcessCondition as C
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.states import MOVING, HaState
from fieldstack.ha.policy import PolicyError, parse_policy
from fieldstack_rt.datastore.layout import Stop
from tests.ha.script import MS, SHIPPED, Script


def _ready(cell: Script, passes: int = 5) -> Script:
    for _ in range(passes):
        cell.later()
    assert cell.ha in MOVING, cell.state
    return cell


def _rt_back(cell: Script, ms: float = 300) -> Script:
    cell.dies().later().later(ms)
    return _ready(cell.comes_up())


def _wkc_low_for(cell: Script, ms: float) -> Script:
    cell.bus(wkc=9, consecutive_bad_wkc=50).later().later(ms)
    return _ready(cell.bus(wkc=14, consecutive_bad_wkc=0), 30)


def test_after_a_crash_of_rt_motion_resumes_by_itself() -> None:
    cell = Script().operational()
    assert _rt_back(cell).axes.moves
    assert cell.axes.starts == 2
    assert not cell.state.interlock.causes


def test_but_not_after_a_longer_stand() -> None:
    cell = _rt_back(Script().operational(), 1000)
    assert not cell.axes.moves
    assert "dead" in cause_text(cell.state.interlock)
    assert cell.asks(RequestKind.START).later().answer.confirmed
    assert cell.later().axes.moves
    assert not cell.state.interlock.causes


def test_lost_frames_resume_and_lost_slaves_do_not() -> None:
    assert _wkc_low_for(Script().operational(), 100).axes.moves
    cell = Script().operational().sees(FactKind.SLAVE_LOST, "slave:a")
    cell.bus(wkc=9, consecutive_bad_wkc=50).later()
    cell.sees(FactKind.SLAVE_LOST, "slave:a", 0.0)
    assert not _wkc_low_for(cell, 100).axes.moves


def test_a_stop_of_rt_that_no_rule_had_time_to_judge_counts_as_that_rule() -> None:
    for fact, resumes in ((None, True), (FactKind.SLAVE_LOST, False), (FactKind.DRIVE_FAULT, False)):
        cell = Script().operational()
        subject = "slave:a" if fact is FactKind.SLAVE_LOST else "axis:x"
        if fact:
            cell.sees(fact, subject).later(1).sees(fact, subject, 0.0)
        else:
            cell.bus(consecutive_bad_wkc=20).facts = cell.facts
            cell.axes.axes_facts(cell.now, cell.facts)  # between two passes
            cell.bus(consecutive_bad_wkc=0)
        cell.later().later().later()
        assert (cell.ha, cell.axes.moves) == (HaState.OPERATIONAL, resumes), fact


def test_a_short_stop_counts_as_the_rule_that_would_have_been_first() -> None:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    long = {"name": "counter-lost-for-long", "fact": "working_counter_low", "threshold": 5000}
    data["rules"].append(long | {"actions": ["AWAIT_MANUAL"], "clear": {"when": "reset"}})
    cell = Script(parse_policy(json.dumps(data))).operational()
    cell.bus(consecutive_bad_wkc=20)
    cell.axes.axes_facts(cell.now, cell.facts)
    cell.bus(consecutive_bad_wkc=0).later().later().later()
    assert cell.axes.moves


def _estop(cell: Script) -> None:
    cell.operator_stops().later().estop(on_reset=1)


def _positions(cell: Script) -> None:
    cell.bus(positions=PositionCheck.DIFFER).later()
    cell.bus(positions=PositionCheck.AGREE)


def _following_error(cell: Script) -> None:
    cell.sees(FactKind.FOLLOWING_ERROR, "axis:x", 2.0).later().later(150)
    cell.sees(FactKind.FOLLOWING_ERROR, "axis:x", 0.0)


def _stopped(cell: Script) -> None:
    cell.rt(C.STOPPED, why="exit status 0").later()


def _budget(cell: Script) -> None:
    for _ in range(6):
        cell.dies().later(1).later(10_000).comes_up().later()


@pytest.mark.parametrize("cause", [_estop, _positions, _following_error, _stopped, _budget])
def test_a_reset_is_no_start(cause: Callable[[Script], None]) -> None:
    """At once after the stop, so that no time that has passed explains it."""
    cell = Script().operational()
    cause(cell)
    assert cell.ha not in MOVING
    cell.asks(RequestKind.RESET).later(1)
    assert cell.answer.confirmed, cell.answer
    if cell.facts.rt.condition is not C.RUNNING:
        cell.comes_up()
    _ready(cell)
    assert not cell.axes.moves
    assert "reset" in {one.key.rule for one in cell.state.interlock.causes}
    assert cell.asks(RequestKind.START).later().answer.confirmed
    assert cell.later().axes.moves


def test_an_emergency_stop_and_its_reset_between_two_decisions_wait_all_the_same() -> None:
    cell = Script().operational()
    cell.operator_stops()
    cell.axes.axes_facts(cell.now, cell.facts)
    cell.asks(RequestKind.RESET).later()
    _ready(cell)
    assert not cell.axes.moves


def test_a_reset_of_a_moving_cell_stops_nothing() -> None:
    cell = Script().operational()
    assert cell.asks(RequestKind.RESET).later().answer.confirmed
    assert cell.later().axes.moves
    assert not cell.state.interlock.causes


def test_a_start_is_refused_with_what_to_do_while_something_stops_the_axes() -> None:
    cell = Script().operational()
    cell.operator_stops().later()
    answer = cell.asks(RequestKind.START).later().answer
    assert not answer.confirmed
    assert "hand in the way" in answer.cause
    assert "fieldstack reset" in answer.cause
    assert A.START not in cell.kinds
    cell.asks(RequestKind.RESET).later()
    _ready(cell)
    assert not cell.axes.moves, "a start before the reset is none after it"


def test_with_nothing_to_start_that_is_the_answer() -> None:
    answer = Script().operational().asks(RequestKind.START).later().answer
    assert (answer.confirmed, answer.cause) == (True, "no axis waits for a start")


def test_a_dead_core_that_is_back_in_time_goes_on_and_one_that_is_not_waits() -> None:
    for ms, resumes in ((300, True), (1200, False)):
        cell = Script().operational()
        cell.core(C.DEAD, why="killed by SIGKILL").later()
        assert A.AWAIT_START in cell.kinds
        cell.later(ms)
        assert not cell.axes.moves
        cell.core(C.RUNNING).later().later().later()
        assert cell.axes.moves is resumes


def test_a_silent_core_had_stood_too_long_when_it_was_found() -> None:
    cell = Script().operational()
    cell.core(C.SILENT, why="no progress").later().later().later()
    cell.core(C.RUNNING).later().later().later()
    assert not cell.axes.moves


def test_a_new_non_rt_process_keeps_the_wait_and_its_own_absence_is_one() -> None:
    cell = Script().operational()
    cell.new_life()
    _ready(cell.later())
    assert cell.axes.moves, "it was back in time"
    cell.operator_stops().later()
    cell.asks(RequestKind.RESET).later()
    _ready(cell)
    cell.new_life()
    _ready(cell.later())
    assert not cell.axes.moves
    assert "reset by Ann" in cause_text(cell.state.interlock)


def _kept(cell: Script) -> DecisionState:
    record = json.loads(json.dumps(to_record(cell.state, cell.facts.estop, cell.now, cell.now)))
    return restore(record, cell.policy, cell.now, cell.now, CellStart("another", auto_start=True))


def test_a_new_life_of_the_cell_starts_by_itself_but_lifts_no_wait_from_before() -> None:
    cell = Script().operational()
    assert [one.key.rule for one in _kept(cell).interlock.causes] == ["first-start"]
    cell.operator_stops().later()
    assert {one.key.rule for one in _kept(cell).interlock.causes} == {"first-start", "emergency-stop"}
    cell = _rt_back(Script().operational(), 1000)
    assert not all(one.within_ns for one in _kept(cell).interlock.causes), "it had stood too long already"


def test_without_auto_start_a_started_cell_waits_for_a_person() -> None:
    cell = Script()
    cell.state = restore(None, cell.policy, cell.now, cell.now, CellStart("first", auto_start=False))
    cell.later().comes_up().later()
    _ready(cell)
    assert not cell.axes.moves
    assert "auto_start" in cause_text(cell.state.interlock)
    cell.asks(RequestKind.START).later().later()
    assert cell.axes.moves


def test_a_non_rt_process_of_which_nobody_knows_since_when_it_was_gone_does_not_resume() -> None:
    cell = Script().operational()
    record = to_record(cell.state, cell.facts.estop, cell.now, cell.now)
    assert [one.within_ns for one in restore(record, cell.policy, cell.now, cell.now).interlock.causes] == [0]


@pytest.mark.parametrize("name", ["emergency-stop", "following-error", "rt-refused"])
def test_what_a_person_clears_can_not_be_told_to_resume(name: str) -> None:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    next(rule for rule in data["rules"] if rule["name"] == name)["resume_within_ms"] = 500
    with pytest.raises(PolicyError, match="a reset is no start"):
        parse_policy(json.dumps(data))


def test_a_press_of_the_start_input_is_dealt_with_once() -> None:
    cell = Script().operational()
    cell.operator_stops().later()
    cell.asks(RequestKind.RESET).later()
    _ready(cell)
    cell.axes.pressed = cell.now // MS
    cell.later(1)
    start = next(one for one in cell.actions if one.kind is A.START)
    assert (start.rule, start.seen_cycle) == ("start-input", cell.axes.pressed)
    cell.later().later()
    assert cell.axes.moves
    cell.operator_stops().later()
    cell.asks(RequestKind.RESET).later()
    assert not _ready(cell).axes.moves, "the press of before"


def _lets_go(cell: Script) -> Script:
    """A drive is switched off by itself, say by a door switch: RT alone has its axes wait."""
    cell.axes.stop_axes(Stop.NOT_ENABLED, cell.now)
    return _ready(cell)


def test_what_rt_has_stopped_by_itself_waits_also_after_its_end() -> None:
    """The next RT process knows nothing of it, and its own start would resume."""
    cell = _rt_back(_lets_go(Script().operational()))
    assert not cell.axes.moves
    assert cell.asks(RequestKind.START).later().answer.confirmed
    assert cell.later().axes.moves
    assert not cell.state.interlock.causes
    assert _rt_back(cell).axes.moves


def test_it_is_kept_on_the_disk() -> None:
    cell = _lets_go(Script().operational())
    assert [one.axes for one in _kept(cell).interlock.causes] == [0, 0b1111]
    cell.new_life()
    assert not _rt_back(_ready(cell.later())).axes.moves


def test_single_axes_that_wait_keep_no_others_from_resuming() -> None:
    cell = _lets_go(Script().operational())
    alone = cell.state.interlock.causes[0]
    cell.state = replace(cell.state, interlock=RestartInterlock(0, (replace(alone, axes=0b1000),)))
    cell.dies().later().later(300)
    cell.comes_up().later().later()
    start = next(one for one in cell.actions if one.kind is A.START)
    assert start.axes == 0b0111


def test_with_all_that_was_kept_lost_an_emergency_stop_is_still_no_first_start() -> None:
    cell = Script().operational()
    cell.operator_stops().later()
    cell.asks(RequestKind.RESET).later()
    _ready(cell)
    cell.state = restore(None, cell.policy, cell.now, cell.now, CellStart("another", auto_start=True))
    _ready(cell.later())
    assert not cell.axes.moves
