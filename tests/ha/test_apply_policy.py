"""A reload under way: all of the new policy takes effect, or nothing, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fieldstack.ha.decision.apply_policy import apply_policy
from fieldstack.ha.model.actions import ActionKind as A
from fieldstack.ha.model.actions import ActionOutcome
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy import FailoverPolicy, PolicyError, parse_policy
from tests.ha.script import SHIPPED, Script


def changed(change: Callable[[dict[str, Any]], None]) -> FailoverPolicy:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    change({rule["name"]: rule for rule in data["rules"]} | {"all": data["rules"], "data": data})
    return parse_policy(json.dumps(data))


def without(name: str) -> FailoverPolicy:
    return changed(lambda rules: rules["all"].remove(rules[name]))


def adopt(cell: Script, policy: FailoverPolicy) -> None:
    cell.state = apply_policy(cell.state, cell.policy, policy, "new.json")
    cell.policy = policy


def test_a_rule_that_holds_the_cell_can_not_be_taken_away() -> None:
    cell = Script().operational().sees(FactKind.FOLLOWING_ERROR, "axis:x", 2.0).later().later(200)
    assert cell.ha is HaState.SAFE_MODE
    before = cell.state
    with pytest.raises(PolicyError, match=r"new.json: .*\n.*rule following-error counts now for axis:x"):
        adopt(cell, without("following-error"))
    assert cell.state is before


def test_a_rule_that_only_told_something_goes_with_the_old_policy() -> None:
    cell = Script().operational().sees(FactKind.CHECKPOINT_STALE, "checkpoint", 60.0).later()
    assert cell.rules() == {"checkpoint-stale"}
    adopt(cell, without("checkpoint-stale"))
    assert cell.later().rules() == set()


def test_a_degraded_cell_is_whole_again_when_its_rule_has_gone() -> None:
    cell = Script().operational().sees(FactKind.TEMPERATURE_HIGH, "host", 90.0).later()
    for _ in range(30):
        cell.later(500)
    assert cell.state.limits.override_percent == 50
    adopt(cell, without("machine-warm"))
    assert cell.later().state.limits.override_percent == 100
    assert A.DEGRADE in cell.kinds


def _leaking() -> Script:
    """A restart of Core waits for a safe moment."""
    cell = Script().operational().sees(FactKind.MEMORY_HIGH, ProcessName.CORE, 0.95)
    for _ in range(13):
        cell.later(1000)
    assert [one.order.action for one in cell.state.waiting] == ["REBOOT_PROCESS"]
    return cell


def test_what_waits_for_a_safe_moment_goes_on_waiting_under_a_changed_rule() -> None:
    cell = _leaking()
    adopt(cell, changed(lambda rules: rules["core-memory-high"]["clear"].update(for_ms=6000)))
    assert A.STOP_PROCESS not in cell.later(30_000).kinds
    assert A.STOP_PROCESS in cell.later(30_000).kinds, "after a minute in all"


def test_what_waits_waits_as_its_rule_says_now() -> None:
    cell = _leaking()
    adopt(cell, changed(lambda rules: rules["core-memory-high"]["defer"].update(at_most_ms=20_000)))
    assert A.STOP_PROCESS in cell.later(20_000).kinds
    cell = _leaking()
    adopt(cell, changed(lambda rules: rules["core-memory-high"].pop("defer")))
    assert A.STOP_PROCESS in cell.later().kinds
    cell = _leaking()
    adopt(cell, changed(lambda rules: rules["core-memory-high"].update(actions=["SEND_ALERT"], defer=None)))
    assert cell.later(120_000).kinds == []


def test_what_comes_after_others_still_does_when_their_places_have_changed() -> None:
    in_turn = {"action": "RESTART_MODULE", "after": "confirmed", "timeout_ms": 10_000}

    def rule(*actions: Any) -> FailoverPolicy:
        return changed(lambda rules: rules["module-dead"].update(actions=list(actions)))

    cell = Script(rule("SEND_ALERT", in_turn)).operational()
    cell.unanswered.add(A.SEND_ALERT)
    cell.sees(FactKind.MODULE_DEAD, "module:x").later()
    told = cell.state.in_flight_actions[-1]
    adopt(cell, rule({"action": "DEGRADE", "timeout_ms": 60_000}, "SEND_ALERT", in_turn))
    assert cell.later().kinds == []
    cell.facts = replace(cell.facts, outcomes=(ActionOutcome(told.id, True, "told"),))
    assert cell.later().kinds == [A.RESTART_MODULE]


def test_budgets_go_on_counting() -> None:
    cell = Script().operational().dies().later(1)
    used = cell.state.budget(ProcessName.RT)
    assert len(used.restarts) == 1
    adopt(cell, without("checkpoint-stale"))
    assert cell.state.budget(ProcessName.RT) == used


def test_a_changed_threshold_counts_from_the_next_decision_on() -> None:
    cell = Script().operational().bus(wkc=11, consecutive_bad_wkc=3).later()
    assert cell.ha is HaState.OPERATIONAL
    adopt(cell, changed(lambda rules: rules["working-counter-lost"].update(threshold=2)))
    assert cell.later().ha is HaState.SAFE_MODE
