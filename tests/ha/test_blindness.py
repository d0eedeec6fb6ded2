"""What a probe that fails means for the cell: motion ends without sight, and silence clears nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fieldstack.ha.model.actions import ActionKind
from fieldstack.ha.model.facts import Facts, RequestKind
from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.states import HaState
from fieldstack.ha.policy import PolicyError, parse_policy
from fieldstack.ha.policy.files.compilation import compile_policy
from fieldstack.ha.policy.validation.timing import worst_cases
from tests.ha.script import SHIPPED, Script

NEEDED = ("probe:slaves", "probe:axes", "probe:shared-memory")


def blind(script: Script, probe: str, ms: float) -> Script:
    return script.sees(FactKind.PROBE_BLIND, probe, ms)


@pytest.mark.parametrize("probe", NEEDED)
def test_without_sight_of_the_machine_axes_do_not_move(probe: str) -> None:
    script = Script().operational()
    assert blind(script, probe, 80).later().state.ha is HaState.OPERATIONAL
    assert blind(script, probe, 100).later().state.ha is HaState.SAFE_MODE
    assert {one.kind for one in script.actions} >= {ActionKind.SAFE_MODE_ENTER, ActionKind.SEND_ALERT}
    blind(script, probe, 0)
    script.later(1900)
    assert script.state.ha is HaState.SAFE_MODE
    script.later(1900).later(200)
    assert not script.rules()


def test_any_other_part_that_fails_is_told() -> None:
    script = Script().operational()
    blind(script, "probe:observer-rings", 120).later()
    assert script.state.ha is HaState.OPERATIONAL
    assert script.rules() == {"probe-blind"}


def test_a_failed_task_is_not_taken_for_mended_while_nobody_can_see_it() -> None:
    """Facts that are told only while they are there: silence means gone, but not silence of the blind."""
    script = Script().operational().sees(FactKind.TASK_FAILED, "task:weld").later()
    assert "task-failed" in script.rules()
    script.facts = with_measures(script, Measure(FactKind.PROBE_BLIND, "probe:tasks", 20.0))
    assert "task-failed" in script.later(60_000).later().rules()
    blind(script, "probe:tasks", 0).later().later()
    assert "task-failed" not in script.rules()


def test_a_reset_does_not_forget_what_only_a_blind_probe_can_tell() -> None:
    script = Script().operational().sees(FactKind.DRIVE_FAULT, "axis:x", 1.0).later().later(200)
    assert "drive-fault" in script.rules()
    script.facts = with_measures(script, Measure(FactKind.PROBE_BLIND, "probe:axes", 20.0))
    script.asks(RequestKind.RESET).later()
    assert "drive-fault" in script.rules()


def with_measures(script: Script, *measures: Measure) -> Facts:
    return replace(script.facts, measures=measures)


def test_a_policy_without_rules_for_it_has_them_all_the_same() -> None:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    data["rules"] = [one for one in data["rules"] if one["fact"] != "probe_blind"]
    policy = parse_policy(json.dumps(data))
    for made in (policy, compile_policy(policy)):
        stopping = {row.subject: row.name for row in made.table.rows.values() if row.fact == "probe_blind"}
        assert stopping == {name: f"{name.removeprefix('probe:')}-unseen" for name in NEEDED}
    script = Script(policy).operational()
    assert blind(script, "probe:axes", 100).later().state.ha is HaState.SAFE_MODE


def test_its_stop_can_not_be_put_off() -> None:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    next(one for one in data["rules"] if one["name"] == "axes-unseen")["threshold"] = 10_000
    with pytest.raises(PolicyError, match="free to move for 10000 ms"):
        parse_policy(json.dumps(data))


def test_a_part_that_does_not_exist_is_no_subject() -> None:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    next(one for one in data["rules"] if one["name"] == "axes-unseen")["subject"] = "probe:axis"
    with pytest.raises(PolicyError, match="never has the subject 'probe:axis'"):
        parse_policy(json.dumps(data))


def test_detection_and_stop_have_a_bound() -> None:
    policy = parse_policy(SHIPPED.read_bytes())
    (case,) = [one for one in worst_cases(policy) if one.rule == "axes-unseen"]
    assert case.detection == 120
    assert case.confirmed <= 400
