"""Every state that waits for a person names the command that comes next, as it is typed for this cell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fieldstack.status import snapshot
from fieldstack.status.next_step import may_start, next_step
from fieldstack.status.snapshot import Clock, EstopSourceView, EstopView, Snapshot
from fieldstack.status.snapshot_bus import AxisView
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore.layout import HaState

THEN = "then `fieldstack reset --instance press-2`, then `fieldstack start --instance press-2`"


@pytest.fixture
def cell() -> Snapshot:
    """A cell that runs."""
    down = snapshot.down(Instance("press-2"), Clock.read(), since=None, note="")
    return in_state(replace(down, cell="up", live=True), HaState.OPERATIONAL)


def in_state(cell: Snapshot, state: HaState) -> Snapshot:
    return replace(cell, ha=replace(cell.ha, state=state.name))


def latched(cell: Snapshot, clear: str) -> Snapshot:
    source = EstopSourceView("OPERATOR", clear, "door open", 1, None)
    return replace(cell, estop=EstopView(latched=True, obeyed=True, sources=(source,)))


def waiting(cell: Snapshot) -> Snapshot:
    return replace(cell, motion=replace(cell.motion, waits_for_start=("x",)))


def test_a_cell_that_runs_asks_for_nothing(cell: Snapshot) -> None:
    assert next_step(cell) == ""
    assert next_step(in_state(cell, HaState.RECOVERY)) == ""


def test_a_latch_and_a_person_needed_are_reset_then_started(cell: Snapshot) -> None:
    assert next_step(waiting(latched(cell, "on_reset"))).endswith(THEN)
    assert next_step(in_state(cell, HaState.MANUAL_INTERVENTION)).endswith(THEN)


def test_a_latch_that_clears_by_itself_asks_for_no_reset(cell: Snapshot) -> None:
    told = next_step(in_state(latched(cell, "on_recovery"), HaState.SAFE_MODE))
    assert "reset" not in told
    assert "remove the cause" in told


def test_a_start_is_offered_only_where_it_is_what_comes_next(cell: Snapshot) -> None:
    assert may_start(waiting(cell))
    assert not may_start(cell)
    assert not may_start(waiting(latched(cell, "on_reset")))
    assert not may_start(in_state(waiting(cell), HaState.SAFE_MODE))


def test_axes_that_wait_are_started_once_rt_is_there(cell: Snapshot) -> None:
    assert next_step(waiting(cell)).endswith("`fieldstack start --instance press-2`")
    assert next_step(replace(waiting(cell), live=False)) == ""


def test_an_axis_beyond_its_limit_has_its_way_back(cell: Snapshot) -> None:
    axis = AxisView("y", "mm", 0, 0, 0, 0, 0, "HOLDING", "NONE", "", 0, 0, "", 2.0, "too far", "jog y -")
    assert next_step(replace(cell, axes=(axis,))) == "jog y -"


def test_the_usual_instance_needs_no_option(cell: Snapshot) -> None:
    assert next_step(waiting(replace(cell, instance="cell"))).endswith("`fieldstack start`")
