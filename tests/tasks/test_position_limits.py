"""Tasks on a group with an axis beyond its limit: those that lead it back run, slowly; the others wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.tasks.bench_cell import MACHINE, BenchCell, declare, two_groups

Y = 1
AXIS = MACHINE.axes[Y]
TOP = AXIS.position_max_counts
BACK = "`fieldstack jog y -`"


def stand(cell: BenchCell, at: int) -> None:
    cell.facts = replace(cell.facts, targets=(0, at, *cell.facts.targets[2:]))


def opened(cell: BenchCell) -> int:
    """Setpoints that were ever planned."""
    return int(cell.ring.head)


@pytest.mark.parametrize("by", [5_001, 120_000])
def test_a_task_that_does_not_lead_it_back_waits_and_says_why(cell: BenchCell, by: int) -> None:
    stand(cell, TOP + by)
    before = opened(cell)
    task = cell.submit(declare("[{move: {to: {x: 20}}}]", needs={"group": "all"}))
    cell.run(200)
    assert opened(cell) == before, "nothing is tried"
    why = task.describe()["why"]
    assert "beyond its limit of 300 mm" in why
    assert BACK in why
    stand(cell, TOP - 10)
    cell.until(cell.ended)
    assert (task.phase, task.why, cell.at(0)) == ("done", "", 20)


def test_so_little_beyond_that_it_is_in_place_holds_up_nobody(cell: BenchCell) -> None:
    stand(cell, TOP + round(AXIS.start_tolerance_counts))
    cell.submit(declare("[{move: {to: {x: 20}}}, {move: {to: {y: 299}}}]", needs={"group": "all"}))
    cell.until(cell.ended)
    assert (cell.at(0), cell.at(Y)) == (20, 299)


@pytest.mark.parametrize(("side", "to"), [(1, 0), (-1, 100)])
def test_a_move_that_ends_inside_leads_it_back_slowly_and_then_goes_on(
    cell: BenchCell, side: int, to: int
) -> None:
    limit = TOP if side > 0 else AXIS.position_min_counts
    stand(cell, limit + side * 40_000)
    cell.submit(declare(f"[{{move: {{to: {{x: 20, y: {to}}}}}}}]", needs={"group": "all"}))
    cell.until(cell.ended)
    assert cell.task().phase == "done"
    assert (cell.at(0), cell.at(Y)) == (20, to)
    steps = [(before, after - before) for before, after in pairwise(cell.positions(Y))]
    beyond = [step for before, step in steps if (before - limit) * side > 0]
    assert all(step * side <= 0 for step in beyond), "never further out"
    assert max(abs(step) for step in beyond) * 1000 <= AXIS.jog_counts_s
    assert max(abs(step) for _, step in steps) * 1000 > 2 * AXIS.jog_counts_s


def test_a_move_that_is_stopped_out_there_stops_out_there(cell: BenchCell) -> None:
    stand(cell, TOP + 400_000)
    task = cell.submit(declare("[{move: {to: {y: 0}}}]", needs={"group": "all"}))
    cell.run(30)
    cell.commands.pause(task.id)
    cell.until(lambda: task.phase == "paused")
    assert TOP < cell.facts.targets[Y] < TOP + 400_000
    cell.commands.resume(task.id, "Ann")
    cell.until(cell.ended)
    assert cell.at(Y) == 0


def test_the_other_group_works_on(make_cell: Callable[..., BenchCell]) -> None:
    cell = make_cell(machine=two_groups())
    stand(cell, TOP + 50_000)
    cell.facts = replace(cell.facts, targets=(0, TOP + 50_000, 0, 0))
    waits = cell.submit(declare("[{move: {to: [5, null]}}]", id="a", needs={"group": "left"}))
    cell.submit(declare("[{move: {to: [10, 10]}}]", id="b", needs={"group": "right"}))
    cell.until(lambda: cell.ended("b"))
    assert (waits.shown, BACK in waits.describe()["why"]) == ("ready", True)
