"""Two budgets of restarts: nothing that fails again and again, at whatever pace, is restarted for ever."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack.ha.model.actions import ActionKind
from fieldstack.ha.model.facts import ProcessCondition
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy import PolicyError, parse_policy
from fieldstack.ha.policy.display.budget_rows import budget_rows
from fieldstack.ha.policy.in_force.restart_budget import delay_ns, in_long_window, in_window, spent, to_keep
from fieldstack.ha.policy.validation.budget_coverage import coverage, spends
from fieldstack.ha.policy.validation.processes import LONG_COUNT, RestartBudget
from tests.ha.script import MS, SHIPPED, Script

S = 1000 * MS
POLICY = parse_policy(SHIPPED.read_bytes())
RT = POLICY.process(ProcessName.RT)
HOUR = 3600 * S


def budget(**values: float) -> RestartBudget:
    return RestartBudget.model_validate({"max_restart_count": 5, "restart_window_sec": 60} | values)


def test_what_crashes_every_13_seconds_comes_to_an_end() -> None:
    """Seen on a live cell: four restarts within each minute, for ever."""
    assert spends(RT, 13 * S)
    history: tuple[int, ...] = ()
    for number in range(LONG_COUNT):
        assert not spent(history, number * 17 * S, RT)
        history = to_keep((*history, number * 17 * S), number * 17 * S, RT)
    assert spent(history, LONG_COUNT * 17 * S, RT) == "20 times within 86400 s (allowed: 20)"


@given(well_s=st.floats(0.001, 4200))
def test_every_pace_up_to_the_stated_one_spends_a_budget(well_s: float) -> None:
    for section in (*POLICY.processes, *POLICY.budgets):
        assert coverage(section).well_s >= 4200
        assert spends(section, round(well_s * S))


def test_the_stated_pace_is_exact() -> None:
    for section in (*POLICY.processes, *POLICY.budgets):
        edge = coverage(section).well_ns
        assert spends(section, edge - MS)
        assert not spends(section, edge + S)


BUDGETS = st.builds(
    budget,
    max_restart_count=st.integers(1, 8),
    restart_window_sec=st.sampled_from([0.5, 10, 60, 600, 90_000]),
    restart_delay_ms=st.sampled_from([0, 500, 20_000]),
    restart_backoff_initial_ms=st.sampled_from([0, 500, 5000]),
    restart_backoff_max_ms=st.sampled_from([5000, 60_000, 600_000]),
    long_max_restart_count=st.sampled_from([None, 1, 5, 30]),
    long_restart_window_sec=st.sampled_from([60, 900, 86_400]),
)


@settings(deadline=None, max_examples=60)
@given(section=BUDGETS, well_s=st.floats(0.0, 100_000))
def test_whatever_the_budgets_say_no_pace_escapes_that_is_said_to_be_caught(
    section: RestartBudget, well_s: float
) -> None:
    """An escape is found, or there is none: to the width of the search."""
    found = coverage(section)
    if found.uncaught_from_ns is None and well_s * S < 0.9 * found.well_ns:
        assert spends(section, round(well_s * S))


def test_a_gap_between_the_budgets_is_refused_with_what_to_do() -> None:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    data["processes"][0] |= {"long_restart_window_sec": 600, "long_max_restart_count": 30}
    data["processes"][0] |= {"restart_backoff_initial_ms": 30_000, "restart_backoff_max_ms": 30_000}
    with pytest.raises(PolicyError, match=r"fails 0 s after each.*spends no budget.*lengthen long_restart"):
        parse_policy(json.dumps(data))


@settings(deadline=None, max_examples=60)
@given(section=BUDGETS, well_ns=st.integers(0, 2000 * S))
def test_a_pace_is_played_as_restarts_are_counted(section: RestartBudget, well_ns: int) -> None:
    now, history, ended = 0, tuple[int, ...](), False
    for _ in range(section.long_count + section.max_restart_count + 2):
        now += well_ns
        ended = ended or bool(spent(history, now, section))
        now += delay_ns(history, now, section)
        history = to_keep((*history, now), now, section)
    assert spends(section, well_ns) == ended


def test_the_largest_budget_is_judged_quickly() -> None:
    """As a benchmark has it; a policy is judged at each of its first loads."""
    began = time.process_time()
    coverage(budget(max_restart_count=1000, restart_window_sec=3600, restart_backoff_max_ms=30_000))
    assert time.process_time() - began < 5.0


def test_older_policies_have_the_long_budget_too() -> None:
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    for section in data["processes"]:
        del section["long_max_restart_count"], section["long_restart_window_sec"]
    assert parse_policy(json.dumps(data)).process(ProcessName.RT).long_count == LONG_COUNT
    assert budget(max_restart_count=100).long_count == 100


def test_policy_check_names_what_each_budget_catches() -> None:
    rows = {row["subject"]: row for row in budget_rows(POLICY)}
    assert rows["fieldstack-rt"]["caught_within_s"] == 4320
    assert set(rows) == {
        "fieldstack-rt",
        "fieldstack-core",
        "fieldstack-nonrt",
        "slave:*",
        "module:*",
        "group:*",
    }


@given(st.lists(st.integers(0, 30 * HOUR), max_size=80), st.integers(0, 30 * HOUR))
def test_what_is_kept_decides_like_all_of_it(times: list[int], after: int) -> None:
    history, now = tuple(sorted(times)), max(times, default=0) + after
    kept = to_keep(history, now, RT)
    assert len(kept) <= LONG_COUNT
    assert bool(spent(kept, now, RT)) == bool(spent(history, now, RT))
    assert delay_ns(kept, now, RT) == delay_ns(history, now, RT)
    assert set(in_window(history, now, RT)[-5:]) <= set(kept)
    assert len(in_long_window(kept, now, RT)) == len(kept)


def test_the_backoff_is_the_first_again_only_after_a_window_of_rest() -> None:
    history = (0, 10 * S, 20 * S)
    assert delay_ns(history, 79 * S, RT) > 0
    assert delay_ns(history, 81 * S, RT) == 0


# ---- in the decision ----


def crash(cell: Script, well_ms: float) -> Script:
    """RT works for so long, dies, and is started again if it is."""
    cell.later(well_ms)
    cell.dies().later(4)
    for _ in range(1000):
        if cell.of(ProcessName.RT).condition == "starting" or cell.ha is HaState.MANUAL_INTERVENTION:
            break
        cell.later(100)
    if cell.ha is not HaState.MANUAL_INTERVENTION:
        cell.comes_up().later().later()
    return cell


@pytest.mark.parametrize("well_s", [13, 61, 600, 4000])
def test_a_crash_at_any_pace_ends_with_a_person(well_s: float) -> None:
    cell = Script().operational()
    crashes = 0
    while cell.ha is not HaState.MANUAL_INTERVENTION:
        crash(cell, well_s * 1000)
        crashes += 1
        assert crashes <= LONG_COUNT + 1
    assert crashes == LONG_COUNT + 1
    assert "20 times within 86400 s" in cell.state.reason


def test_it_is_remembered_over_ends_of_non_rt_and_reboots() -> None:
    cell = Script().operational()
    for _ in range(LONG_COUNT - 1):
        crash(cell, 120_000)
    cell.new_life().later().later()
    assert len(cell.state.budget(ProcessName.RT).restarts) == LONG_COUNT - 1
    crash(cell.comes_up().later(), 120_000)
    crash(cell, 120_000)
    assert cell.ha is HaState.MANUAL_INTERVENTION


# ---- counts are on the disk before the start ----


def filed(cell: Script, at_ns: int, failure: str = "") -> Script:
    cell.facts = replace(cell.facts, filed_ns=at_ns, filing_failure=failure)
    return cell


def test_a_restart_waits_until_its_count_is_on_the_disk() -> None:
    cell = Script().operational()
    before = filed(cell, cell.now).now
    cell.dies().later(4)
    assert ActionKind.REBOOT_PROCESS not in cell.kinds
    assert len(cell.state.budget(ProcessName.RT).restarts) == 1, "it has counted: the record can be written"
    assert ActionKind.REBOOT_PROCESS not in filed(cell, before).later(4).kinds
    assert ActionKind.REBOOT_PROCESS in filed(cell, cell.now).later(4).kinds
    assert len(cell.state.budget(ProcessName.RT).restarts) == 1


def test_a_restart_has_counted_while_its_process_is_fenced_and_its_outputs_are_made_safe() -> None:
    """In the decision that finds it: the ways of the count, the fence and the outputs go side by side."""
    cell = Script().operational()
    cell.unanswered.add(ActionKind.FENCE_PROCESS)
    cell.rt(ProcessCondition.SILENT, gone=False).guard(detected_ns=cell.now, fenced_ns=0).later(1)
    assert cell.state.budget(ProcessName.RT).restarts == (cell.now,)
    filed(cell, cell.now).later(4)
    assert ActionKind.REBOOT_PROCESS not in cell.kinds, "it is not fenced"
    assert len(cell.state.budget(ProcessName.RT).restarts) == 1


def test_a_disk_that_takes_no_count_is_told_within_2_seconds_and_no_start_is_made() -> None:
    cell = Script().operational()
    before = filed(cell, cell.now, "No space left on device").now
    cell.dies().later(4)
    told = [0]
    for _ in range(150):
        filed(cell, before, "No space left on device").later(20)
        assert ActionKind.REBOOT_PROCESS not in cell.kinds
        told += [cell.now for one in cell.actions if "No space left" in one.cause]
    assert len(told) == 2, "once"
    assert (told[1] - before) / MS <= 2100
    assert ActionKind.REBOOT_PROCESS in filed(cell, cell.now).later(20).kinds


def test_the_start_of_a_cell_after_a_failure_waits_for_its_count_too() -> None:
    cell = Script()
    cell.state = replace(cell.state, after_failure=True)
    filed(cell, 0).later()
    assert ActionKind.START_PROCESS not in cell.kinds
    assert len(cell.state.budget(ProcessName.RT).restarts) == 1
    filed(cell, cell.now).later()
    assert cell.kinds.count(ActionKind.START_PROCESS) == 2
    assert len(cell.state.budget(ProcessName.RT).restarts) == 1


def test_a_module_is_restarted_once_its_count_is_on_the_disk() -> None:
    from fieldstack.ha.model.measures import FactKind

    cell = Script().operational()
    before = filed(cell, cell.now).now
    cell.sees(FactKind.MODULE_DEAD, "module:health").later()
    assert ActionKind.RESTART_MODULE not in cell.kinds
    assert len(cell.state.budget("module:health").restarts) == 1
    filed(cell, before).later()
    assert ActionKind.RESTART_MODULE not in cell.kinds
    filed(cell, cell.now).later()
    assert ActionKind.RESTART_MODULE in cell.kinds
    assert len(cell.state.budget("module:health").restarts) == 1
