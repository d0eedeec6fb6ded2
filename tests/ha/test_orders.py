"""Deferral, order within a rule, escalation, and who may end a wait for a person."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fieldstack.ha.decision.context.decision_state import LIMITS_UNKNOWN
from fieldstack.ha.model.actions import ActionKind as A
from fieldstack.ha.model.actions import ActionOutcome
from fieldstack.ha.model.facts import BusFacts, RequestKind
from fieldstack.ha.model.facts import ProcessCondition as C
from fieldstack.ha.model.measures import FACTS, FactKind
from fieldstack.ha.model.states import HaState
from fieldstack.ha.policy import FailoverPolicy, PolicyError, parse_policy
from fieldstack.ha.policy.files.cell_targets import require_targets
from fieldstack.ha.policy.in_force.windows import BUCKETS, Samples, windowed_value
from fieldstack.ha.policy.validation.agent_checks import agent_times
from fieldstack.ha.policy.validation.timing import worst_cases
from tests.ha.script import MS, SHIPPED, Script


def with_rule(**rule: Any) -> FailoverPolicy:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    given = {"name": "mine", "fact": "module_dead", "subject": "module:x", "clear": {"when": "gone"}}
    data["rules"] = [one for one in data["rules"] if one["name"] != "module-dead"] + [given | rule]
    return parse_policy(json.dumps(data))


def dead_module(policy: FailoverPolicy) -> Script:
    cell = Script(policy).operational()
    cell.core(C.RUNNING)
    return cell


def test_an_action_after_others_waits_until_they_are_confirmed() -> None:
    actions = ["SEND_ALERT", {"action": "RESTART_MODULE", "after": "confirmed"}]
    cell = dead_module(with_rule(actions=actions)).sees(FactKind.MODULE_DEAD, "module:x")
    cell.unanswered.add(A.SEND_ALERT)
    assert cell.later().kinds == [A.SEND_ALERT]
    assert cell.later().kinds == []
    told = cell.state.in_flight_actions[0].id
    cell.facts = replace(cell.facts, outcomes=(ActionOutcome(told, True, "told"),))
    assert cell.later().kinds == [A.RESTART_MODULE]


def test_a_second_unconfirmed_stop_does_not_end_the_wait_for_a_person() -> None:
    """Two rules that are gone again, each with an order that nobody confirms: one entry stands for both."""
    cell = Script()
    cell.unanswered |= {A.SAFE_MODE_ENTER, A.EMERGENCY_STOP}
    cell.rt(C.STARTING).later(1).later(600)
    assert cell.rules() == {"action-unconfirmed"}
    cell.rt(C.RUNNING)
    cell.facts = replace(
        cell.facts, bus=BusFacts(cycling=True, wkc=9, expected_wkc=14, consecutive_bad_wkc=900)
    )
    assert cell.later(600).ha is HaState.MANUAL_INTERVENTION
    assert "working-counter-lost" in cell.rules()
    cell.facts = replace(cell.facts, bus=BusFacts(cycling=True, wkc=14, expected_wkc=14, wkc_good=True))
    cell.later(1)
    cell.rt(C.NEVER_SEEN)
    cell.facts = replace(cell.facts, bus=BusFacts())
    for _ in range(5):
        assert cell.later(600).ha is HaState.MANUAL_INTERVENTION
    assert cell.asks(RequestKind.RESET).later().ha is not HaState.MANUAL_INTERVENTION


def test_what_comes_after_a_failed_action_is_not_done() -> None:
    actions = ["DEGRADE", {"action": "RESTART_MODULE", "on_failure": ["SAFE_MODE_ENTER"]},
               {"action": "SHUTDOWN", "after": "confirmed"}]  # fmt: skip
    policy = with_rule(actions=actions, clear={"when": "gone", "for_ms": 100})
    cell = dead_module(policy).sees(FactKind.MODULE_DEAD, "module:x")
    cell.failing.add(A.RESTART_MODULE)
    assert cell.later().ha is HaState.DEGRADED
    assert cell.later().ha is HaState.SAFE_MODE
    assert "RESTART_MODULE of module:x failed" in cell.state.reason
    for _ in range(20):
        assert cell.later(1000).ha is HaState.SAFE_MODE
    cell.sees(FactKind.MODULE_DEAD, "module:x", 0.0).later().later(200).later()
    assert cell.ha is HaState.OPERATIONAL


def test_an_acknowledgement_is_enough_where_the_policy_says_so() -> None:
    actions = [{"action": "AWAIT_MANUAL", "until": "ack"}]
    cell = dead_module(with_rule(actions=actions)).sees(FactKind.MODULE_DEAD, "module:x").later()
    assert cell.ha is HaState.MANUAL_INTERVENTION
    cell.sees(FactKind.MODULE_DEAD, "module:x", 0.0)
    assert cell.later(60_000).ha is HaState.MANUAL_INTERVENTION
    cell.asks(RequestKind.ACK).later()
    assert cell.answer.confirmed
    assert "acknowledged by Ann (looked at it): mine" in cell.answer.cause
    assert cell.later().later().ha is HaState.OPERATIONAL


def test_an_acknowledgement_is_not_enough_where_a_reset_is_needed() -> None:
    cell = dead_module(with_rule(actions=["AWAIT_MANUAL"])).sees(FactKind.MODULE_DEAD, "module:x").later()
    cell.asks(RequestKind.ACK).later()
    assert not cell.answer.confirmed
    assert "a reset is needed for mine" in cell.answer.cause
    assert cell.ha is HaState.MANUAL_INTERVENTION


def test_a_reset_ends_a_rule_whose_subject_nobody_tells_of_any_more() -> None:
    """A slave that was taken out of the cell: its cause cannot be seen to go."""
    actions = ["SAFE_MODE_ENTER", "AWAIT_MANUAL"]
    policy = with_rule(actions=actions, clear={"when": "gone", "for_ms": 100})
    cell = dead_module(policy).sees(FactKind.MODULE_DEAD, "module:x").later()
    assert cell.asks(RequestKind.RESET).later(200).rules() == {"mine"}, "it is still there"
    cell.facts = replace(cell.facts, measures=())
    assert cell.later(60_000).ha is HaState.SAFE_MODE
    cell.asks(RequestKind.RESET).later()
    assert "reset by Ann (looked at it): mine" in cell.answer.cause
    assert cell.later().ha is HaState.OPERATIONAL


def test_an_acknowledgement_does_not_promise_what_a_spent_budget_refuses() -> None:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    spent = next(one for one in data["rules"] if one["name"] == "restart-budget-spent")
    spent["actions"] = ["SEND_ALERT", "EMERGENCY_STOP", {"action": "AWAIT_MANUAL", "until": "ack"}]
    data["processes"][1]["max_restart_count"] = 0
    cell = Script(parse_policy(json.dumps(data))).operational().core(C.DEAD).later()
    assert cell.ha is HaState.MANUAL_INTERVENTION
    cell.asks(RequestKind.ACK).later()
    assert "starting" not in cell.answer.cause
    assert "a reset is needed for fieldstack-core, whose restart budget is spent" in cell.answer.cause
    assert cell.later(60_000).ha is HaState.SAFE_MODE
    assert A.REBOOT_PROCESS in cell.asks(RequestKind.RESET).later().kinds


def test_the_tasks_of_a_group_move_once_however_many_of_its_axes_fail() -> None:
    cell = Script().operational()
    cell.facts = replace(cell.facts, group_of=dict.fromkeys(("axis:x", "axis:y"), "group:left"))
    for axis in ("axis:x", "axis:y", "axis:alone"):
        cell.sees(FactKind.DRIVE_FAULT, axis, 0x8611)
    cell.later().later(100)
    moved = [one for one in cell.actions if one.kind is A.REALLOCATE]
    assert [(one.subject, one.cause.split(":")[1]) for one in moved] == [("group:left", "x")]
    assert cell.later().state.in_flight_actions == (), "it is believed, though the drive stays in fault"
    assert cell.later(20_000).rules() == {"drive-fault"}
    cell.sees(FactKind.DRIVE_FAULT, "axis:x", 0).sees(FactKind.DRIVE_FAULT, "axis:y", 0).later().later(600)
    cell.sees(FactKind.DRIVE_FAULT, "axis:y", 0x8611).later().later(100).later(500)
    assert [one.subject for one in cell.actions if one.kind is A.REALLOCATE] == ["group:left"], (
        "after backoff"
    )
    assert len(cell.state.budget("group:left").restarts) == 2


def test_a_rule_may_shut_the_cell_down() -> None:
    cell = dead_module(with_rule(actions=["SHUTDOWN"])).sees(FactKind.MODULE_DEAD, "module:x").later()
    assert cell.ha is HaState.SHUTDOWN
    assert cell.kinds[:2] == [A.SHUTDOWN, A.SAFE_MODE_ENTER]


def test_a_lesser_exit_ends_safe_mode_and_not_an_emergency_stop() -> None:
    actions = ["SAFE_MODE_EXIT"]
    leave = with_rule(actions=actions, fact="operator_request", subject="operator:go-on")
    cell = dead_module(leave).sees(FactKind.FOLLOWING_ERROR, "axis:x", 2.0).later().later(200)
    cell.sees(FactKind.FOLLOWING_ERROR, "axis:x", 0.0).later()
    assert cell.ha is HaState.SAFE_MODE
    cell.asks(RequestKind.RULE, "operator:go-on").later().later()
    assert cell.ha is HaState.OPERATIONAL
    cell.rt(C.DEAD, exit_code=3).later().comes_up().later()
    assert cell.ha is HaState.MANUAL_INTERVENTION
    cell.asks(RequestKind.RULE, "operator:go-on").later().later()
    assert cell.ha is HaState.MANUAL_INTERVENTION


def test_a_reading_that_is_missing_clears_nothing() -> None:
    cell = Script().operational().sees(FactKind.SLAVE_LOST, "slave:a").later().later(1100)
    cell.core(C.RUNNING).later()
    assert cell.ha is HaState.DEGRADED
    assert cell.state.active("slave-lost") is not None
    cell.facts = replace(cell.facts, measures=())
    assert cell.later(60_000).state.active("slave-lost") is not None


def test_evidence_goes_with_the_action() -> None:
    cell = Script().operational().sees(FactKind.FOLLOWING_ERROR, "axis:x", 1.5).later().later(120)
    fields = next(one for one in cell.actions if one.kind is A.SAFE_MODE_ENTER).event_fields()
    assert fields["rule"] == "following-error"
    assert (fields["fact"], fields["fact_subject"]) == ("following_error", "axis:x")
    assert (fields["value"], fields["threshold"]) == (1.5, 1.0)


def test_a_slower_cell_is_judged_by_its_own_times() -> None:
    require_targets(Script().policy, "p.json", cycle_us=4000)
    with pytest.raises(PolicyError, match=r"working-counter-lost is 420 ms in this cell \(cycle 10000 µs"):
        require_targets(Script().policy, "p.json", cycle_us=10_000)


def test_a_cell_in_which_the_non_rt_process_would_look_silent_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"rt_agent.nonrt_timeout_ms = 500: is shorter than 600 ms"):
        require_targets(Script().policy, "p.json", supervision_interval_ms=300)


def test_the_reactions_of_rt_have_worst_cases_too() -> None:
    silent, dead, over = agent_times(Script().policy)
    assert over.seen == 30_002
    assert (silent.begins, dead.begins) == (502, 2)
    going_on = Script().policy.rt_agent.model_copy(update={"go_on_ms": 1000})
    silent, dead, _ = agent_times(Script().policy.model_copy(update={"rt_agent": going_on}))
    assert (silent.begins, dead.begins) == (1503, 1003)


def test_worst_cases_are_the_sum_of_what_they_are_made_of() -> None:
    cases = {case.rule: case for case in worst_cases(Script().policy)}
    assert cases["rt-dead"].detection == 20  # a pass
    assert cases["rt-silent"].detection == 20 + 200 + 20  # a pass, the time-out, a pass
    assert cases["rt-silent"].confirmed == 240 + 50 + 30_000  # safe outputs, the restart's time-out
    assert cases["working-counter-lost"].stopped == 20 + 20 * 1 + 200  # a pass, 20 cycles, time to confirm
    memory = cases["core-memory-high"]
    # age, pass, window and what it begins early, debounce, pass
    assert memory.detection == 5000 + 20 + (10_000 + 625 + 20) + 2000 + 20
    assert memory.ordered == memory.detection + 60_000
    assert memory.confirmed == memory.ordered + 20_000


def test_the_worst_case_of_a_mean_holds_when_the_mean_is_kept_longest() -> None:
    """The last reading before the window is the oldest that it may have, and all after it are just enough."""
    row = Script().policy.table.rows["memory-high"]
    bucket = row.window_ns // BUCKETS
    seen: Samples = ()
    value, now = None, 0
    for now in (0, 10 * bucket - 1, *range(10 * bucket, 40 * bucket, 20 * MS)):
        seen, value = windowed_value(row, seen, now, 0.0 if now < 10 * bucket else row.threshold)
        if value is not None and row.is_over(value):
            break
    bound = {case.rule: case for case in worst_cases(Script().policy)}["memory-high"].detection
    took = (now - 10 * bucket) / MS
    assert row.window_ns / MS < took <= bound - FACTS[row.fact].age_ms


def test_a_word_that_stops_the_axes_is_not_taken_back_by_a_word() -> None:
    stop = with_rule(
        actions=["SAFE_MODE_ENTER"],
        fact="operator_request",
        subject="operator:stand",
        clear={"when": "reset"},
    )
    cell = dead_module(stop).asks(RequestKind.RULE_OFF, "operator:stand").later()
    assert (cell.answer.confirmed, cell.rules()) == (True, set())
    cell.asks(RequestKind.RULE, "operator:stand").later().later()
    cell.asks(RequestKind.RULE_OFF, "operator:stand").later()
    assert (cell.answer.confirmed, cell.ha) == (False, HaState.SAFE_MODE)
    assert "fieldstack reset" in cell.answer.cause
    cell.asks(RequestKind.RULE_OFF, "operator:none").later()
    assert cell.answer.cause == "no rule answers to 'none'; the policy in force knows: slow, stand"


def test_limits_whose_rules_nobody_knows_any_more_are_lifted_once() -> None:
    cell = Script()
    cell.state = replace(cell.state, limits=LIMITS_UNKNOWN)
    lifted = [one for one in cell.later().actions if one.kind is A.DEGRADE]
    assert [(one.rule, one.override_percent, one.groups) for one in lifted] == [("limits-lifted", 100, ())]
    assert A.DEGRADE not in cell.later().kinds
