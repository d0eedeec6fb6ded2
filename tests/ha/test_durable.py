"""Records that survive: torn, damaged and missing files, a full disk, another run of the machine."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldstack.ha.checkpoint.cell_start import CellStart
from fieldstack.ha.checkpoint.durable_state import latched, restore, to_record
from fieldstack.ha.decision.builtin import spent_measures
from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import (
    RECORD_UNREADABLE,
    ActiveRule,
    BudgetUse,
    DecisionState,
    Key,
)
from fieldstack.ha.model.facts import EstopFacts, Facts, RequestKind
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import ClearWhen, Hold, PolicyAction, ProcessName
from fieldstack.ha.policy import load_policy
from fieldstack_base.clock import boot_id
from fieldstack_base.durable import BackgroundSaver, DurableRecord
from tests.ha.script import Script

POLICY = load_policy(Path(__file__).parents[2] / "config/ha/failover_policy.json")
S = 10**9


def test_the_newest_generation_counts(tmp_path: Path) -> None:
    record = DurableRecord(tmp_path, "r")
    for number in range(5):
        record.save({"n": number})
    loaded = DurableRecord(tmp_path, "r").load()
    assert (loaded.data, loaded.generation, loaded.remarks) == ({"n": 4}, 5, ())


@pytest.mark.parametrize("kept", range(0, 90, 7))
def test_a_torn_file_falls_back_to_the_generation_before_and_says_so(tmp_path: Path, kept: int) -> None:
    record = DurableRecord(tmp_path, "r")
    record.save({"n": 1, "text": "x" * 40})
    record.save({"n": 2, "text": "x" * 40})
    newest = tmp_path / "r.0"
    newest.write_bytes(newest.read_bytes()[:kept])
    loaded = DurableRecord(tmp_path, "r").load()
    assert loaded.data is not None
    assert loaded.data["n"] == 1
    assert "r.0 is not usable" in loaded.remarks[0]


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    record = DurableRecord(tmp_path, "r")
    record.save({"n": 1})
    record.save({"n": 2})
    newest = tmp_path / "r.0"
    whole = newest.read_bytes()
    begin = whole.index(b"\n") + 1
    for place in range(begin, len(whole) - 1):
        newest.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert DurableRecord(tmp_path, "r").load().data == {"n": 1}


def test_both_files_damaged_is_no_record(tmp_path: Path) -> None:
    record = DurableRecord(tmp_path, "r")
    record.save({"n": 1})
    record.save({"n": 2})
    for name in ("r.0", "r.1"):
        (tmp_path / name).write_bytes(os.urandom(50))
    loaded = DurableRecord(tmp_path, "r").load()
    assert loaded.data is None
    assert len(loaded.remarks) == 2


def test_the_saver_keeps_the_latest_and_tells_errors(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    errors: list[str] = []
    saver = BackgroundSaver(DurableRecord(folder, "r"), errors.append)
    for number in range(200):
        saver.submit({"n": number})
    saver.close()
    assert DurableRecord(folder, "r").load().data == {"n": 199}
    gone = BackgroundSaver(DurableRecord(tmp_path / "none", "r"), errors.append)
    gone.submit({})
    gone.close()
    assert errors == ["No such file or directory"]


def _state() -> DecisionState:
    spent = Key("restart-budget-spent", ProcessName.RT)
    lost = Key("working-counter-lost", "cell")
    effects = frozenset({PolicyAction.EMERGENCY_STOP, PolicyAction.AWAIT_MANUAL})
    state = DecisionState(active_rules=(
        ActiveRule(spent, 1, "five times", ClearWhen.RESET, effects=effects, hold=Hold.RESET),
        ActiveRule(lost, 1, "9 of 14", ClearWhen.GONE),
    ))  # fmt: skip
    return state.with_budget(BudgetUse(ProcessName.RT, (90 * S, 95 * S), "five times"))


def test_budget_and_latches_outlive_the_process() -> None:
    kept = to_record(_state(), EstopFacts(on_reset=1, reasons=("operator: stop",)), 100 * S, 1000 * S)
    state = restore(kept, POLICY, 101 * S, 1001 * S)
    assert state.budget(ProcessName.RT) == _state().budget(ProcessName.RT)
    assert [(one.key.rule, one.hold) for one in state.active_rules] == [("restart-budget-spent", Hold.RESET)]
    assert PolicyAction.EMERGENCY_STOP in state.active_rules[0].effects
    assert latched(kept) == (1, "operator: stop")


@pytest.mark.parametrize(("ha", "failure"), [(HaState.OPERATIONAL, True), (HaState.SHUTDOWN, False)])
def test_a_life_that_did_not_end_by_request_has_failed(ha: HaState, failure: bool) -> None:
    kept = to_record(replace(_state(), ha=ha), EstopFacts(), 100 * S, 1000 * S)
    assert restore(kept, POLICY, 101 * S, 1001 * S).after_failure is failure
    assert not restore(None, POLICY, 101 * S, 1001 * S).after_failure


def test_a_reboot_keeps_the_age_of_restarts() -> None:
    kept = to_record(_state(), EstopFacts(), 100 * S, 1000 * S) | {"boot": "another run"}
    state = restore(kept, POLICY, 3 * S, 1020 * S)
    assert state.budget(ProcessName.RT).restarts == (-27 * S, -22 * S)


def test_a_clock_that_was_set_back_makes_no_restart_of_the_future() -> None:
    kept = to_record(_state(), EstopFacts(), 100 * S, 1000 * S) | {"boot": "another run"}
    state = restore(kept, POLICY, 3 * S, 900 * S)
    assert all(at <= 3 * S for at in state.budget(ProcessName.RT).restarts)


def _restarted(times: list[int], **life: Any) -> DecisionState:
    """Non-RT starts at these times in one life of the cell, each one from what the one before has kept."""
    before = DecisionState(HaState.OPERATIONAL, cell_start_id="one")
    kept = to_record(before, EstopFacts(), 0, 1000 * S)
    for at in times:
        state = restore(kept, POLICY, at, 1000 * S + at, CellStart(**(life or {"id": "one", "failed": True})))
        kept = to_record(replace(state, ha=HaState.OPERATIONAL), EstopFacts(), at, 1000 * S + at)
    return state


@pytest.mark.parametrize("period_s", [1, 9, 13, 31, 61, 3600])
def test_non_rt_that_ends_unasked_at_any_pace_spends_a_budget(period_s: int) -> None:
    state = _restarted([at * period_s * S for at in range(1, 22)])
    assert "restarted" in state.budget(ProcessName.NONRT).spent
    assert not _restarted([at * period_s * S for at in range(1, 6)]).budget(ProcessName.NONRT).spent
    told = spent_measures(DecisionContext(22 * period_s * S, state, Facts(), POLICY))
    assert [(one.subject, one.value) for one in told] == [(ProcessName.NONRT, 1.0)]


def test_non_rt_that_was_asked_to_end_or_a_new_life_of_the_cell_counts_nothing() -> None:
    times = [at * S for at in range(1, 30)]
    assert not _restarted(times, id="one").budget(ProcessName.NONRT).restarts
    assert not _restarted([S], id="two", failed=True).budget(ProcessName.NONRT).restarts


def test_what_never_clears_ends_with_the_cell_and_not_with_its_process() -> None:
    never = ActiveRule(Key("worn-out", "host"), 1, "9000 h", ClearWhen.NEVER)
    state = DecisionState(ha=HaState.SAFE_MODE, active_rules=(never,))
    kept = to_record(state, EstopFacts(), 100 * S, 1000 * S)
    assert [one.key.rule for one in restore(kept, POLICY, 101 * S, 1001 * S).active_rules] == ["worn-out"]
    down = to_record(replace(state, ha=HaState.SHUTDOWN), EstopFacts(), 100 * S, 1000 * S)
    assert restore(down, POLICY, 101 * S, 1001 * S).active_rules == ()


def test_what_took_the_cell_down_waits_for_a_person_and_not_for_the_next_end() -> None:
    effects = frozenset({PolicyAction.SHUTDOWN})
    ends = ActiveRule(Key("ends", "datastore"), 1, "torn", ClearWhen.RESET, effects=effects)
    down = to_record(DecisionState(HaState.SHUTDOWN, active_rules=(ends,)), EstopFacts(), 100 * S, 1000 * S)
    (waits,) = restore(down, POLICY, 101 * S, 1001 * S).active_rules
    assert (waits.effects, waits.hold) == (frozenset(), Hold.RESET)


def test_what_version_1_kept_is_taken_over() -> None:
    """Conditions are the rules that judge them today; what clears by itself is judged again."""
    old = {
        "boot": boot_id(), "t_ns": 100 * S, "wall_ns": 1000 * S, "ha": "MANUAL_INTERVENTION", "reason": "",
        "restarts": {"fieldstack-rt": [90 * S, 95 * S], "fieldstack-core": []},
        "conditions": {"restart_budget_spent": "five times", "rt_dead": "SIGKILL", "no-such": "?"},
        "estop_on_reset": 4, "estop_reasons": ["policy: five times"],
    }  # fmt: skip
    state = restore(old, POLICY, 101 * S, 1001 * S)
    assert state.budget(ProcessName.RT) == BudgetUse(ProcessName.RT, (90 * S, 95 * S), "five times")
    (waits,) = state.active_rules
    assert (waits.key, waits.hold) == (("restart-budget-spent", "fieldstack-rt"), Hold.RESET)
    assert PolicyAction.EMERGENCY_STOP in waits.effects
    (unread,) = restore(old | {"conditions": None}, POLICY, 5, 5).active_rules
    assert unread.key.rule == RECORD_UNREADABLE


@pytest.mark.parametrize("kept", [None, {}])
def test_no_record_is_a_fresh_start(kept: dict[str, object] | None) -> None:
    assert restore(kept, POLICY, 5, 5).active_rules == ()
    assert latched(kept) == (0, "")


@pytest.mark.parametrize(
    "kept", [{"format": 2}, {"format": 3}, {"format": 2, "boot": "x", "wall_ns": "y", "rules": []}]
)
def test_a_record_of_another_shape_may_have_held_the_cell(kept: dict[str, object]) -> None:
    (unread,) = restore(kept, POLICY, 5, 5).active_rules
    assert (unread.key.rule, unread.hold) == (RECORD_UNREADABLE, Hold.RESET)
    assert "all of it" in unread.cause
    assert latched(kept) == (0, "")


def test_one_word_of_another_version_costs_one_entry_and_a_person_is_told() -> None:
    kept = to_record(_state(), EstopFacts(), 100 * S, 1000 * S)
    (whole,) = kept["rules"]
    strange = whole | {"rule": "frozen", "effects": ["FREEZE"]}
    unknown = {"subject": "fieldstack-core", "evidence": ["humidity_high", "host", 0.9, 0.8, 0]}
    kept |= {"rules": [strange, whole | unknown, whole]}
    kept["budgets"] |= {"fieldstack-core": {"restarts": ["yesterday"]}}
    cell = Script()
    cell.state = restore(kept, POLICY, cell.now, 1001 * S)
    rules = [one.key.rule for one in cell.state.active_rules]
    assert rules == ["restart-budget-spent"] * 2 + [RECORD_UNREADABLE]
    assert cell.state.budget(ProcessName.RT).spent == "five times"
    assert (
        "rule frozen ('FREEZE' is not a valid PolicyAction); the budget of fieldstack-core"
        in cell.state.active_rules[-1].cause
    )
    assert cell.later().ha is HaState.MANUAL_INTERVENTION
    cell.asks(RequestKind.RESET).later()
    assert cell.rules() == set()
    assert cell.comes_up().later().ha is HaState.OPERATIONAL
