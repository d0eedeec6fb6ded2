"""The decision core as timelines; each test reads as what happens and what is decided."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from fieldstack.ha.decision.context.decision_state import BudgetUse
from fieldstack.ha.model.actions import ActionKind as A
from fieldstack.ha.model.actions import Step
from fieldstack.ha.model.facts import GuardFacts, PositionCheck, RequestKind
from fieldstack.ha.model.facts import ProcessCondition as C
from fieldstack.ha.model.measures import STANDS_NOW, FactKind
from fieldstack.ha.model.states import NEXT, TRANSITIONS, CellCondition, HaState
from fieldstack.ha.model.vocabulary import ClearWhen, ProcessName
from fieldstack_rt.datastore.layout import EstopSource
from tests.ha.script import MS, Script


def test_a_cell_starts_through_recovery_and_moves_only_when_all_is_read_back() -> None:
    cell = Script().later()
    assert cell.ha is HaState.RECOVERY
    assert cell.kinds == [A.SAFE_MODE_ENTER, A.START_PROCESS, A.START_PROCESS]
    cell.comes_up().bus(all_op=False).later()
    assert (cell.ha, cell.kinds) == (HaState.RECOVERY, [])
    cell.bus(all_op=True, positions=PositionCheck.PENDING).later()
    assert cell.ha is HaState.RECOVERY
    cell.bus(positions=PositionCheck.AGREE).later()
    assert (cell.ha, cell.kinds) == (HaState.OPERATIONAL, [A.SAFE_MODE_EXIT])
    assert cell.later().kinds == [A.START]
    assert cell.later().kinds == []


def test_no_motion_while_the_guard_does_not_watch() -> None:
    cell = Script().later().comes_up()
    cell.facts = replace(cell.facts, guard=GuardFacts(watching=False))
    assert cell.later().ha is HaState.RECOVERY
    cell.facts = replace(cell.facts, guard=GuardFacts(enabled=False))
    assert cell.later().ha is HaState.OPERATIONAL


def test_a_first_crash_is_restarted_in_the_same_decision() -> None:
    cell = Script().operational().dies().later(0.2)
    assert cell.ha is HaState.RECOVERY
    assert cell.kinds == [
        A.EMERGENCY_STOP, A.SAFE_MODE_ENTER, A.RECORD_STEP, A.RECORD_STEP, A.RECORD_STEP,
        A.READ_CHECKPOINT, A.REBOOT_PROCESS, A.SEND_ALERT,
    ]  # fmt: skip
    assert cell.steps == [Step.DETECTED, Step.FENCED, Step.SAFE_OUTPUTS]
    assert {action.rule for action in cell.actions} == {"rt-dead"}
    assert all("SIGKILL" in action.cause for action in cell.actions)
    assert cell.actions[0].until is ClearWhen.GONE


def test_the_cell_comes_back_by_itself_after_a_crash() -> None:
    cell = Script().operational().dies().later(0.2)
    cell.rt(C.RUNNING).bus(cycling=True).later(80)
    assert (cell.ha, cell.steps) == (HaState.RECOVERY, [Step.HEARTBEAT_BACK])
    cell.comes_up().later(30)
    assert cell.ha is HaState.OPERATIONAL
    assert cell.kinds == [A.RECORD_STEP, A.CLEAR_LATCH, A.SAFE_MODE_EXIT]
    assert cell.steps == [Step.RECOVERED]
    assert cell.facts.estop.on_recovery == 0
    assert cell.state.active_rules == ()


def test_a_restart_waits_for_confirmed_safe_outputs_but_not_for_ever() -> None:
    cell = Script().operational().rt(C.DEAD).guard(detected_ns=10**12, fenced_ns=0).later(1)
    assert A.REBOOT_PROCESS not in cell.kinds
    cell.later(20)
    assert cell.kinds == []
    cell.later(40)
    assert A.REBOOT_PROCESS in cell.kinds
    unconfirmed = [action for action in cell.actions if action.step is Step.SAFE_OUTPUTS]
    assert not unconfirmed[0].confirmed


def test_a_fence_that_failed_is_waited_for_and_told() -> None:
    """RT cannot be killed for some time, as in a system call that cannot be interrupted."""
    cell = Script().operational().rt(C.SILENT, gone=False)
    tripped = GuardFacts(
        tripped=True, fence_failed=True, detected_ns=cell.now, safe_frame_ns=cell.now + 100 * MS
    )
    cell.facts = replace(cell.facts, guard=tripped)
    cell.unanswered.add(A.FENCE_PROCESS)
    cell.later().rt(C.SILENT, gone=False)
    cell.later(60_000)
    assert (cell.ha, cell.steps) == (HaState.RECOVERY, [])
    assert any("does not end" in one.cause for one in cell.actions if one.kind is A.SEND_ALERT)
    assert A.REBOOT_PROCESS not in cell.later(60_000).kinds
    assert len(cell.state.budget(ProcessName.RT).restarts) == 1, "counted when it failed, once"

    now = cell.now
    cell.facts = replace(
        cell.facts, guard=replace(tripped, fence_failed=False, fenced_ns=now, confirmed_ns=now)
    )
    late = next(one for one in cell.later().actions if one.step is Step.FENCED)
    assert (late.confirmed, late.remark) == (False, "it did not end in time: safe frames were sent beside it")
    assert A.REBOOT_PROCESS in cell.kinds


def test_a_silent_process_is_fenced_before_it_is_restarted() -> None:
    cell = Script().operational().rt(C.SILENT, gone=False, why="no progress")
    cell.facts = replace(cell.facts, guard=GuardFacts(watching=False))
    cell.later()
    assert A.FENCE_PROCESS in cell.kinds
    assert A.REBOOT_PROCESS not in cell.kinds
    cell.later()
    assert A.REBOOT_PROCESS in cell.kinds


def test_the_second_crash_in_a_window_backs_off() -> None:
    cell = Script().operational().dies().later(1).comes_up().later(50).dies().later(1)
    assert A.REBOOT_PROCESS not in cell.kinds
    assert A.REBOOT_PROCESS not in cell.later(498).kinds
    assert A.REBOOT_PROCESS in cell.later(2).kinds


def test_a_crash_long_after_the_last_is_a_first_one_again() -> None:
    cell = Script().operational().dies().later(1).comes_up().later(50).later(61_000).dies().later(1)
    assert A.REBOOT_PROCESS in cell.kinds


def _spend(cell: Script) -> Script:
    for _ in range(6):
        cell.dies().later(1)
        if A.REBOOT_PROCESS not in cell.kinds and cell.ha is not HaState.MANUAL_INTERVENTION:
            cell.later(9000)
        if cell.ha is not HaState.MANUAL_INTERVENTION:
            cell.comes_up().later(10)
    return cell


def test_a_spent_budget_ends_in_manual_intervention() -> None:
    cell = _spend(Script().operational())
    assert cell.ha is HaState.MANUAL_INTERVENTION
    assert "5 times within 60 s" in cell.state.reason
    assert [action.until for action in cell.actions if action.kind is A.EMERGENCY_STOP][-1] is ClearWhen.RESET
    assert A.AWAIT_MANUAL in cell.kinds
    for _ in range(100):
        assert cell.later(60_000).kinds == []
    assert cell.ha is HaState.MANUAL_INTERVENTION


def test_a_reset_leaves_manual_intervention_and_gives_a_new_budget() -> None:
    cell = _spend(Script().operational()).asks(RequestKind.RESET).later()
    assert cell.ha is HaState.RECOVERY
    assert cell.answer.confirmed
    assert cell.kinds.count(A.REBOOT_PROCESS) == 1
    assert cell.state.budget(ProcessName.RT).restarts == ()
    cell.comes_up().later()
    assert cell.ha is HaState.OPERATIONAL
    assert (cell.facts.estop.on_reset, cell.facts.estop.on_recovery) == (0, 0)


def test_a_budget_of_none_never_restarts() -> None:
    policy = Script().policy
    none = policy.process(ProcessName.RT).model_copy(update={"max_restart_count": 0})
    cell = Script(policy.model_copy(update={"processes": [none, policy.processes[1]]})).operational()
    cell.dies().later(1)
    assert cell.ha is HaState.MANUAL_INTERVENTION
    assert A.REBOOT_PROCESS not in cell.kinds


def test_what_a_person_raised_stays_until_reset() -> None:
    cell = Script().operational().operator_stops().later(1)
    assert cell.ha is HaState.SAFE_MODE
    assert "hand in the way" in cell.state.reason
    for _ in range(50):
        cell.later(10_000)
    assert cell.ha is HaState.SAFE_MODE
    cell.asks(RequestKind.RESET).later()
    assert cell.answer.confirmed
    assert [action.sources for action in cell.actions if action.kind is A.CLEAR_LATCH] == [1]
    assert A.RESET_FAULTS in cell.kinds
    assert cell.ha is HaState.RECOVERY
    assert cell.later().ha is HaState.OPERATIONAL


def test_a_crash_does_not_clear_what_a_person_raised() -> None:
    cell = Script().operational().operator_stops().later(1).dies().later(1)
    assert cell.ha is HaState.RECOVERY
    cell.comes_up().later(100)
    assert cell.ha is HaState.SAFE_MODE
    assert Step.RECOVERED in cell.steps
    assert cell.facts.estop.on_reset & 1
    assert A.SAFE_MODE_EXIT not in cell.kinds


def test_a_reset_is_refused_while_its_cause_is_there() -> None:
    cell = Script().operational().operator_stops().later(1)
    cell.bus(wkc=9, consecutive_bad_wkc=400, detail="slave 3 does not answer").later()
    cell.asks(RequestKind.RESET).later()
    assert not cell.answer.confirmed
    assert "working counter 9 of 14" in cell.answer.cause
    assert "slave 3" in cell.answer.cause
    assert cell.facts.estop.on_reset == 1


def test_a_reset_is_refused_while_an_axis_runs_on() -> None:
    cell = Script().operational().operator_stops().later(1)
    cell.sees(FactKind.AXIS_RUNS_ON, "axis:x", 312.0, "axis x ignores the stop and moves at 312 mm/s").later()
    cell.asks(RequestKind.RESET).later()
    assert not cell.answer.confirmed
    assert "reset refused: axis x ignores the stop and moves at 312 mm/s" in cell.answer.cause
    assert A.CLEAR_LATCH not in cell.kinds
    assert cell.facts.estop.on_reset & 1
    cell.sees(FactKind.AXIS_RUNS_ON, "axis:x", 1e-6, "axis x ignores the stop and stands now").later()
    assert cell.asks(RequestKind.RESET).later().answer.confirmed


def test_a_reset_during_a_recovery_is_refused() -> None:
    cell = Script().operational().dies().later(1).asks(RequestKind.RESET).later()
    assert not cell.answer.confirmed
    assert "starting" in cell.answer.cause


def test_a_reset_with_nothing_latched_resets_faults() -> None:
    cell = Script().operational().asks(RequestKind.RESET).later()
    assert cell.answer.confirmed
    assert "nothing was latched" in cell.answer.cause
    assert (cell.ha, cell.kinds) == (HaState.OPERATIONAL, [A.RESET_FAULTS, A.ANSWER])


def test_a_lost_working_counter_stops_the_axes_until_it_was_back_for_a_while() -> None:
    cell = Script().operational().bus(wkc=11, consecutive_bad_wkc=19).later(4)
    assert cell.ha is HaState.OPERATIONAL
    cell.bus(consecutive_bad_wkc=20).later(1)
    assert (cell.ha, cell.kinds) == (HaState.SAFE_MODE, [A.SAFE_MODE_ENTER, A.SEND_ALERT])
    cell.bus(wkc=14, consecutive_bad_wkc=0).later(10)
    assert cell.later(150).ha is HaState.SAFE_MODE
    cell.bus(wkc=11, consecutive_bad_wkc=1).later(10).bus(wkc=14, consecutive_bad_wkc=0).later(10)
    assert cell.later(199).ha is HaState.SAFE_MODE
    assert cell.later(1).ha is HaState.RECOVERY
    assert cell.later().ha is HaState.OPERATIONAL


def test_the_reason_tells_what_holds_the_cell_now() -> None:
    """The state stays, and so does its time; no order and no change of state is told for it."""
    cell = Script().operational().bus(wkc=11, consecutive_bad_wkc=20).later()
    since = cell.state.since_ns
    assert cell.state.held_by == (("working-counter-lost", "cell"),)
    cell.sees(FactKind.FOLLOWING_ERROR, "axis:x", 1.3).later(20).later(100)
    assert "working counter 11 of 14" in cell.state.reason
    assert "also: following-error of axis:x" in cell.state.reason
    cell.sees(FactKind.FOLLOWING_ERROR, "axis:x", 0.0).bus(wkc=14, consecutive_bad_wkc=0).later().later(200)
    assert cell.ha is HaState.SAFE_MODE
    assert cell.state.reason.startswith("following_error of axis:x: 1.3 share")
    assert cell.state.held_by == (("following-error", "axis:x"),)
    assert cell.state.since_ns == since
    assert cell.kinds == []


def test_many_rules_that_hold_a_cell_are_counted() -> None:
    cell = Script().operational()
    for axis in "abcde":
        cell.sees(FactKind.FOLLOWING_ERROR, f"axis:{axis}", 2.0)
    cell.later().later(100)
    assert cell.state.reason.endswith("(also: following-error of axis:b, following-error of axis:c, 2 more)")
    assert len(cell.state.held_by) == 5


def test_a_bus_that_comes_up_is_no_lost_working_counter_until_the_grace_is_over() -> None:
    cell = Script().later().comes_up().bus(wkc=3, consecutive_bad_wkc=900).later()
    assert cell.ha is HaState.RECOVERY
    cell.later(20_000)
    assert cell.ha is HaState.SAFE_MODE
    assert A.SEND_ALERT in cell.kinds
    cell.comes_up().later().later(200).later()
    assert cell.ha is HaState.OPERATIONAL


def test_positions_that_differ_need_a_person() -> None:
    cell = Script().operational().dies().later(1).comes_up().bus(positions=PositionCheck.DIFFER).later(100)
    assert cell.ha is HaState.SAFE_MODE
    assert cell.later(10_000).ha is HaState.SAFE_MODE
    cell.asks(RequestKind.RESET).later().later()
    assert cell.ha is HaState.OPERATIONAL


def test_a_counter_that_told_losses_explain_is_well() -> None:
    """A slave of a non-essential group in SAFE-OP still adds its inputs: more than the least expected."""
    cell = Script().operational().bus(wkc=13, expected_wkc=12, wkc_good=True).operator_stops().later(1)
    cell.asks(RequestKind.RESET).later()
    assert cell.answer.confirmed, cell.answer.cause
    assert cell.later(100).ha is HaState.OPERATIONAL


def test_a_counter_that_rt_has_not_judged_is_not_well() -> None:
    cell = Script().operational().bus(wkc=14, expected_wkc=14, wkc_good=False).operator_stops().later(1)
    cell.asks(RequestKind.RESET).later()
    assert not cell.answer.confirmed


def test_positions_of_a_part_hold_that_part_alone_until_a_reset() -> None:
    cell = Script().operational()
    cell.facts = replace(cell.facts, parts=("tool",))
    cell.dies().later(1).comes_up().bus(displaced_groups=frozenset({"tool"})).later(100)
    assert (cell.ha, cell.rules()) == (HaState.DEGRADED, {"group-positions-differ"})
    cell.later(10_000).asks(RequestKind.RESET).later()
    assert cell.answer.confirmed, cell.answer.cause
    assert cell.later().ha is HaState.OPERATIONAL, "until RT has obeyed, it is not told again"
    cell.bus(displaced_groups=frozenset()).later().bus(displaced_groups=frozenset({"tool"})).later()
    assert cell.rules() == {"group-positions-differ"}, "what differs later is another matter"


def test_a_reset_accepts_no_positions_that_are_not_compared_yet() -> None:
    """It is taken while RT comes up, because it starts the Main Core."""
    cell = Script().operational().core(C.STOPPED).dies().later(1).comes_up()
    cell.bus(positions=PositionCheck.PENDING).asks(RequestKind.RESET).later()
    assert cell.answer.confirmed
    cell.comes_up().bus(positions=PositionCheck.DIFFER).later()
    assert cell.rules() == {"positions-differ"}
    assert cell.ha is HaState.SAFE_MODE
    cell.asks(RequestKind.RESET).later().later()
    assert cell.ha is HaState.OPERATIONAL


def test_positions_that_were_accepted_are_so_once() -> None:
    cell = Script().operational().bus(positions=PositionCheck.DIFFER).later()
    cell.asks(RequestKind.RESET).later().later()
    cell.bus(positions=PositionCheck.AGREE).later()
    assert cell.ha is HaState.OPERATIONAL
    cell.bus(positions=PositionCheck.DIFFER).later()
    assert cell.ha is HaState.SAFE_MODE


def test_an_rt_process_stopped_from_outside_is_not_restarted_behind_that_persons_back() -> None:
    cell = Script().operational().rt(C.STOPPED, why="exit status 0").later()
    assert cell.ha is HaState.SAFE_MODE
    assert A.START_PROCESS not in cell.later(60_000).kinds
    cell.asks(RequestKind.RESET).later()
    assert cell.ha is HaState.RECOVERY
    assert cell.kinds.count(A.REBOOT_PROCESS) == 1
    assert cell.comes_up().later().ha is HaState.OPERATIONAL
    assert cell.state.budget(ProcessName.RT).restarts == ()


def adopted(**guard: bool) -> Script:
    """A Non-RT process comes back in time: RT and Core are at work, with the permit of its predecessor."""
    cell = Script().rt(C.RUNNING, new=True).core(C.RUNNING, new=True).comes_up()
    cell.facts = replace(cell.facts, permitted=True, guard=GuardFacts(**guard))
    return cell


def test_what_went_on_while_non_rt_was_away_goes_on() -> None:
    cell = adopted(watching=True).later()
    assert (cell.ha, cell.kinds) == (HaState.RECOVERY, [])
    assert cell.later().ha is HaState.OPERATIONAL
    assert cell.kinds == [A.SAFE_MODE_EXIT]


def test_it_stops_if_not_everything_is_well() -> None:
    assert adopted(watching=False).later().kinds == [A.SAFE_MODE_ENTER]
    assert A.SAFE_MODE_ENTER in adopted(watching=True).later().dies().later().kinds


def after_a_failure(restarts: int) -> Script:
    """A cell whose life before did not end by request, with this many restarts of RT that still count."""
    cell = Script()
    kept = BudgetUse(ProcessName.RT, (cell.now - 1,) * restarts)
    track = replace(cell.state.rt, started_ns=cell.now)
    cell.state = replace(cell.state, after_failure=True, rt=track, budgets=(kept,) if restarts else ())
    return cell


def rt_starts(cell: Script) -> int:
    return sum(one.kind is A.START_PROCESS and one.subject == ProcessName.RT for one in cell.actions)


def test_a_start_after_a_failure_is_a_restart() -> None:
    cell = after_a_failure(0).later()
    assert rt_starts(cell) == 1
    assert [len(cell.state.budget(name).restarts) for name in (ProcessName.RT, ProcessName.CORE)] == [1, 1]
    assert Script().later().state.budgets == ()


def test_a_start_after_a_failure_has_its_backoff_and_its_end() -> None:
    cell = after_a_failure(2).later()
    assert rt_starts(cell) == 0
    assert rt_starts(cell.later(500)) == 0
    assert rt_starts(cell.later(500)) == 1
    cell = after_a_failure(5).later()
    assert (rt_starts(cell), cell.ha) == (0, HaState.MANUAL_INTERVENTION)
    assert "restarted 5 times" in cell.state.reason
    assert rt_starts(cell.later(60_000)) == 0
    assert cell.asks(RequestKind.RESET).later().ha is HaState.RECOVERY


def test_a_planned_restart_is_orderly_and_costs_no_budget() -> None:
    cell = Script().operational().asks(RequestKind.RESTART, ProcessName.RT).later()
    assert cell.answer.confirmed
    assert (cell.ha, cell.kinds) == (HaState.RECOVERY, [A.SAFE_MODE_ENTER, A.STOP_PROCESS, A.ANSWER])
    cell.rt(C.STOPPED, stop_requested=True).later(300)
    assert cell.kinds == [A.START_PROCESS]
    assert cell.comes_up().later(100).ha is HaState.OPERATIONAL
    assert cell.state.budget(ProcessName.RT).restarts == ()


def test_a_dead_core_degrades_the_cell_and_is_restarted() -> None:
    cell = Script().operational().core(C.DEAD, why="exit status 1").later()
    assert cell.ha is HaState.DEGRADED
    assert A.REBOOT_PROCESS in cell.kinds
    assert A.EMERGENCY_STOP not in cell.kinds
    cell.core(C.RUNNING).later(300)
    assert cell.ha is HaState.OPERATIONAL


def test_a_silent_core_is_fenced_first() -> None:
    cell = Script().operational().core(C.SILENT, gone=False).later()
    assert A.FENCE_PROCESS in cell.kinds
    assert A.REBOOT_PROCESS not in cell.kinds
    assert A.REBOOT_PROCESS in cell.later().kinds


def test_a_process_that_does_not_end_is_told_of_and_started_once_it_has() -> None:
    """The kernel holds it (state D): no signal ends it."""
    cell = Script().operational().core(C.SILENT).later().core(C.SILENT, gone=False)
    assert all(cell.later(5000).kinds == [] for _ in range(5))
    cell.later(5000)
    assert cell.kinds == [A.SEND_ALERT]
    assert f"process {cell.of(ProcessName.CORE).pid} does not end" in cell.actions[0].cause
    assert all(cell.later(5000).kinds == [] for _ in range(100)), "it is told of once"
    cell.core(C.SILENT, gone=True).later()
    assert A.REBOOT_PROCESS in cell.kinds
    assert cell.core(C.RUNNING).later().ha is HaState.OPERATIONAL


@pytest.mark.parametrize("kind", [RequestKind.RESET, RequestKind.ACK])
def test_a_process_that_fails_while_a_person_asks_is_fenced_and_restarted_all_the_same(
    kind: RequestKind,
) -> None:
    cell = Script().operational().core(C.SILENT).asks(kind).later()
    assert A.FENCE_PROCESS in cell.kinds
    assert cell.rules() == {"core-silent"}
    assert A.REBOOT_PROCESS in cell.later().kinds
    assert cell.core(C.RUNNING).later().ha is HaState.OPERATIONAL


def test_shutdown_is_the_end_of_it() -> None:
    cell = Script().operational().asks(RequestKind.SHUTDOWN).later()
    assert (cell.ha, cell.kinds) == (HaState.SHUTDOWN, [A.SAFE_MODE_ENTER, A.ANSWER])
    cell.dies().later()
    assert (cell.ha, cell.kinds) == (HaState.SHUTDOWN, [])
    cell.asks(RequestKind.RESET).later()
    assert not cell.answer.confirmed


def test_the_guard_or_rt_may_stop_a_moving_cell_and_it_checks_before_it_goes_on() -> None:
    cell = Script().operational().estop(on_recovery=16).later()
    assert cell.ha is HaState.SAFE_MODE
    assert cell.later().ha is HaState.RECOVERY
    cell.later()
    assert cell.ha is HaState.OPERATIONAL
    assert cell.facts.estop.on_recovery == 0


def test_the_times_of_the_steps_are_those_of_the_guard() -> None:
    cell = Script().operational()
    now = cell.now
    cell.rt(C.DEAD, why="SIGSEGV")
    cell.guard(last_progress_ns=now - MS, detected_ns=now, fenced_ns=now + 5, confirmed_ns=now + 900).later(1)
    steps = [action for action in cell.actions if action.step]
    assert [(step.at_ns - now, step.took_ns) for step in steps][1:] == [(5, 5), (900, 895)]


def test_the_table_knows_what_follows_every_verdict_in_every_state() -> None:
    assert set(NEXT) == set(HaState)
    assert all(set(row) == set(CellCondition) for row in NEXT.values())


def test_every_state_but_shutdown_has_a_way_out() -> None:
    assert all(TRANSITIONS[state] for state in HaState if state is not HaState.SHUTDOWN)
    assert TRANSITIONS[HaState.MANUAL_INTERVENTION] == {HaState.RECOVERY, HaState.SHUTDOWN}


def test_actions_are_ordered_by_severity() -> None:
    cell = Script().operational().operator_stops().dies().later(1)
    assert all(first <= second for first, second in pairwise(cell.kinds))


def test_a_reset_of_an_axis_that_ran_on_and_stands_now_is_enough_once() -> None:
    """RT lets go of it with its next cycles; what runs on is a failure at once."""
    cell = Script().operational().sees(FactKind.AXIS_RUNS_ON, "axis:x", 120.0).later()
    assert cell.ha is HaState.MANUAL_INTERVENTION
    cell.sees(FactKind.AXIS_RUNS_ON, "axis:x", STANDS_NOW).later()
    assert cell.asks(RequestKind.RESET).later(5).answer.confirmed
    assert A.EMERGENCY_STOP not in cell.kinds
    cell.later(5)
    cell.sees(FactKind.AXIS_RUNS_ON, "axis:x", 0.0).later().later()
    assert cell.ha is HaState.OPERATIONAL


@pytest.mark.parametrize("speed", [120.0, STANDS_NOW])
def test_but_one_that_runs_on_or_is_not_let_go_of_is_a_new_failure(speed: float) -> None:
    cell = Script().operational().sees(FactKind.AXIS_RUNS_ON, "axis:x", 120.0).later()
    cell.sees(FactKind.AXIS_RUNS_ON, "axis:x", speed).asks(RequestKind.RESET).later(5).later(300)
    assert cell.ha is HaState.MANUAL_INTERVENTION
    assert cell.facts.estop.on_reset


def test_what_is_latched_in_the_decision_of_a_reset_stays_latched() -> None:
    """Of an axis that is told lost: no reset waits for it, and its last speed is no standstill."""
    cell = Script().operational().sees(FactKind.AXIS_RUNS_ON, "axis:x", 0.5).later()
    cell.asks(RequestKind.RESET).later(5)
    order = cell.kinds.index(A.EMERGENCY_STOP)
    cleared = [one for one in cell.actions[order:] if one.kind is A.CLEAR_LATCH]
    assert not any(one.sources >> EstopSource.POLICY & 1 for one in cleared)
