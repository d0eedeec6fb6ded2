"""A group fails: its tasks go on elsewhere as they declare, the other group never notices."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from fieldstack.tasks.run.reallocation import give_back, reallocate
from fieldstack.tasks.state.table import TaskError
from fieldstack_rt.datastore.layout import AxisMode, Stop
from tests.tasks.bench_cell import BenchCell, declare, module_of, two_groups

Make = Callable[..., BenchCell]
WORK = "[{move: {to: [30, 10]}}, {set_output: {out-1: true}}, {move: {to: [300, 100]}}, {wait: {ms: 50}}]"
PARTS_WITHOUT_FACTS = "[{repeat: {times: 9, steps: [{move: {to: [50, 0]}}, {move: {to: [0, 0]}}]}}]"


@pytest.fixture
def cell(make_cell: Make) -> BenchCell:
    return make_cell(machine=two_groups())


def fault(cell: BenchCell, axis: int) -> None:
    axes = tuple(AxisMode.FAULT if number == axis else mode for number, mode in enumerate(cell.facts.axes))
    stops = tuple(Stop.AXIS_FAULT if number == axis else Stop.NONE for number in range(4))
    cell.facts = replace(cell.facts, axes=axes, stops=stops)


def clear(cell: BenchCell) -> None:
    axes = tuple(AxisMode.HOLDING if mode is AxisMode.FAULT else mode for mode in cell.facts.axes)
    cell.facts = replace(cell.facts, axes=axes, stops=())


def test_two_tasks_move_two_groups_in_one_stream(cell: BenchCell) -> None:
    cell.submit(declare("[{move: {to: [100, 20]}}]", id="a", needs={"group": "left"}))
    cell.submit(declare("[{move: {to: [-100, 40]}}]", id="b", needs={"capability": "gripper"}))
    cell.until(lambda: cell.ended("a") and cell.ended("b"))
    assert [cell.at(axis) for axis in range(4)] == [100, 20, -100, 40]
    assert {stream for stream, *_ in cell.played} == {1}
    assert {mask for *_, mask in cell.played} >= {0b1111}


@pytest.mark.parametrize(("how", "word"), [("move_resume", "resumed"), ("move_restart", "restarted")])
def test_a_task_moves_to_a_group_that_can_do_the_same(cell: BenchCell, how: str, word: str) -> None:
    cell.submit(declare(WORK, needs={"group": "left"}, on_resource_lost=how))
    cell.until(lambda: cell.at(0) > 60)
    fault(cell, 0)
    cell.run(3)
    assert not cell.task().runner
    done = reallocate(cell.executor, "left")
    assert done.moved == [{"task": "t", "from": "left", "to": "right", "how": word}]
    cell.run(2)
    assert (cell.task().group, cell.task().step) == ("right", 0 if how == "move_restart" else 2)
    cell.until(cell.ended)
    assert (cell.at(2), cell.at(3)) == (300, 100)
    assert cell.task().phase == "done"


@pytest.mark.parametrize("first", ["pause", "reallocate"])
def test_a_task_that_is_paused_while_it_moves_begins_anew_all_the_same(cell: BenchCell, first: str) -> None:
    commands = cell.commands
    declared = {"mode": "TRIGGERED", "trigger": {"operator": True}, "runs": 1}
    cell.submit(declare(WORK, needs={"group": "left"}, on_resource_lost="move_restart", **declared))
    commands.trigger("t")
    cell.until(lambda: cell.at(0) > 60)
    todo: list[Callable[[], object]] = [
        lambda: commands.pause("t"),
        lambda: reallocate(cell.executor, "left"),
    ]
    for do in todo if first == "pause" else reversed(todo):
        do()
    cell.until(lambda: cell.task().phase == "paused")
    cell.crash()
    commands = cell.commands
    commands.resume("t", by="Ann")
    cell.until(cell.ended)
    assert 30 in [position / cell.machine.axes[2].counts_per_unit for position in cell.positions(2)]
    assert (cell.at(2), cell.at(3)) == (300, 100)


def test_a_run_that_begins_anew_makes_its_calls_anew(make_cell: Make) -> None:
    """What a call of the attempt before came to, late, is no answer to the present one."""
    lost, seen = threading.Event(), []

    def grip() -> None:
        seen.append("grip")
        lost.wait(5)

    cell = make_cell(machine=two_groups(), entries=module_of(grip=grip))
    steps = "[{move: {to: [30, 10]}}, {call: {name: grip, repeatable: true}}, {move: {to: [0, 0]}}]"
    cell.submit(declare(steps, needs={"group": "left"}, on_resource_lost="move_restart"))
    cell.until(lambda: seen)
    fault(cell, 0)
    cell.run(3)
    reallocate(cell.executor, "left")
    lost.set()
    cell.until(lambda: cell.calls.busy == 0)
    cell.until(cell.ended)
    assert (cell.task().phase, len(seen)) == ("done", 2)


def test_a_task_that_is_cancelled_moves_nowhere(cell: BenchCell) -> None:
    cell.submit(declare(WORK, needs={"group": "left"}, on_resource_lost="move_resume"))
    cell.until(lambda: cell.at(0) > 60)
    cell.commands.cancel("t")
    assert reallocate(cell.executor, "left").moved == []
    cell.until(cell.ended)
    assert cell.task().phase == "cancelled"


def test_the_other_group_plays_on_without_a_gap(cell: BenchCell) -> None:
    cell.submit(declare(PARTS_WITHOUT_FACTS, id="beside", needs={"group": "right"}))
    cell.submit(declare(WORK, needs={"group": "left"}))
    cell.until(lambda: cell.at(0) > 60)
    fault(cell, 0)
    cell.run(30)
    reallocate(cell.executor, "left")
    cell.until(lambda: cell.ended("beside"))
    assert {stream for stream, *_ in cell.played} == {1}
    assert cell.task().phase == "failed"
    assert "was lost" in cell.task().why


def test_without_a_place_the_task_waits_for_its_group(make_cell: Make) -> None:
    cell = make_cell()
    cell.submit(declare("[{move: {to: {x: 300}}}]", needs={"group": "all"}, on_resource_lost="move_resume"))
    cell.until(lambda: cell.at(0) > 60)
    fault(cell, 0)
    cell.run(3)
    done = reallocate(cell.executor, "all")
    assert done.stuck
    assert "no other axis group" in done.not_moved[0]["why"]
    cell.run(20)
    clear(cell)
    cell.until(cell.ended)
    assert cell.at(0) == 300


def test_a_group_is_out_of_use_until_it_is_given_back_or_mended(cell: BenchCell) -> None:
    reallocate(cell.executor, "left")
    cell.submit(declare("[{move: {to: [9, 9]}}]", needs={"group": "left"}))
    cell.run(20)
    assert not cell.played
    assert "in use again" in give_back(cell.executor, "left")
    cell.until(cell.ended)
    reallocate(cell.executor, "left")
    fault(cell, 0)
    cell.run(3)
    clear(cell)
    cell.run(3)
    assert cell.executor.groups.out_of_use == ()
    with pytest.raises(TaskError, match="no axis group 'middle'"):
        reallocate(cell.executor, "middle")


def test_what_does_not_move_waits_if_it_is_to_be_kept(cell: BenchCell) -> None:
    """As the policy orders it: no task fails, and a group that nothing left stays in use."""
    cell.submit(declare(WORK, needs={"group": "left"}))
    cell.until(lambda: cell.at(0) > 60)
    assert "nothing to do" in reallocate(cell.executor, "left", keep=True).text(), "it is in order"
    fault(cell, 0)
    cell.run(3)
    done = reallocate(cell.executor, "left", keep=True)
    assert (done.moved, done.stuck, cell.executor.groups.out_of_use) == ([], False, ())
    assert "waits for 'left'" in done.text()
    clear(cell)
    cell.until(cell.ended)
    assert (cell.task().phase, cell.at(0)) == ("done", 300)


def test_a_task_that_moves_leaves_a_group_out_of_use(cell: BenchCell) -> None:
    cell.submit(declare(WORK, needs={"group": "left"}, on_resource_lost="move_resume"))
    cell.until(lambda: cell.at(0) > 60)
    fault(cell, 0)
    cell.run(3)
    assert reallocate(cell.executor, "left", keep=True).moved
    assert reallocate(cell.executor, "left", keep=True).text().startswith("nothing to do")
    assert "left" in cell.executor.groups.out_of_use
    cell.until(cell.ended)
    assert cell.at(2) == 300


def test_nothing_moves_to_a_group_that_is_out_of_order_as_well(cell: BenchCell) -> None:
    cell.submit(declare(WORK, needs={"group": "left"}, on_resource_lost="move_resume"))
    cell.until(lambda: cell.at(0) > 60)
    fault(cell, 0)
    fault(cell, 2)
    cell.run(3)
    assert reallocate(cell.executor, "left", keep=True).moved == []
    assert (cell.task().group, cell.executor.groups.out_of_use) == ("left", ())
