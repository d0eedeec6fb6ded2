"""Jogging: an axis goes slowly while it is held, stops at its limit, and never beside a task of its group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from fieldstack.tasks.run.jogging import HOLD_NS, Jog, JogRequest
from fieldstack.tasks.state.table import TaskError
from fieldstack_rt.datastore.layout import AxisMode, RtPhase, Stop
from tests.tasks.bench_cell import HOLDING, MACHINE, BenchCell, declare, two_groups

MS = 1_000_000
Y = 1
TOP = MACHINE.axes[Y].position_max_counts
SLOW = MACHINE.axes[Y].jog_counts_s


def begin(cell: BenchCell, axis: str = "y", way: int = 1, *, percent: float = 100, held_ms: int = 0) -> Jog:
    cell.pass_()
    executor = cell.executor
    request = JogRequest(axis, way, percent, cell.now_ns - held_ms * MS)
    return executor.jogging.begin(cell.now_ns, request, executor.facts, executor.table)


def hold(cell: BenchCell, jog: Jog, passes: int) -> None:
    for _ in range(passes):
        cell.run()
        cell.executor.jogging.renew(cell.now_ns, jog.number, cell.now_ns)


def stand(cell: BenchCell, axis: int, at: int) -> None:
    targets = list(cell.facts.targets)
    targets[axis] = at
    cell.facts = replace(cell.facts, targets=tuple(targets))


def fastest(cell: BenchCell, axis: int = Y) -> float:
    """Counts/s."""
    return max((abs(b - a) for a, b in pairwise(cell.positions(axis))), default=0) * 1000


def test_it_goes_while_it_is_held_and_no_faster_than_its_jog_velocity(cell: BenchCell) -> None:
    jog = begin(cell)
    hold(cell, jog, 100)
    assert not jog.ended
    assert cell.at(Y) > 10
    assert 0.9 * SLOW < fastest(cell) <= SLOW
    assert cell.positions(0) == [0] * len(cell.played)


def test_a_share_of_the_speed_is_a_share_of_the_jog_velocity(cell: BenchCell) -> None:
    hold(cell, begin(cell, percent=20), 60)
    assert 0.15 * SLOW < fastest(cell) <= 0.2 * SLOW


@pytest.mark.parametrize("how", ["released", "not renewed"])
def test_let_go_it_stands_and_the_stream_ends(cell: BenchCell, how: str) -> None:
    jog = begin(cell)
    hold(cell, jog, 40)
    if how == "released":
        cell.executor.jogging.release(jog.number)
    else:
        cell.run(HOLD_NS // MS // 20 + 1)
    assert jog.ended
    assert cell.holds[-1] == 0, "RT is told at once"
    at = cell.at(Y)
    cell.run(30)
    assert cell.at(Y) == pytest.approx(at, abs=SLOW / 10_000 * 0.03)
    assert cell.executor.state.name == "WAITING"


def test_each_setpoint_says_that_it_has_to_be_held(cell: BenchCell) -> None:
    hold(cell, begin(cell), 2)
    assert cell.ring.slots[int(cell.ring.tail) % 1024].hold_to_run == 1 << Y
    assert cell.holds[-1] == cell.now_ns + HOLD_NS


def test_it_stops_at_the_limit(cell: BenchCell) -> None:
    stand(cell, Y, TOP - 50_000)
    jog = begin(cell)
    hold(cell, jog, 60)
    assert (jog.ended, jog.reached) == ("at its limit", True)
    assert cell.facts.targets[Y] == TOP
    with pytest.raises(TaskError, match="can only go the other way"):
        begin(cell)


def test_beyond_a_limit_it_goes_inwards_only_and_slowly(cell: BenchCell) -> None:
    stand(cell, Y, TOP + 20_000)
    with pytest.raises(TaskError, match=r"2 mm beyond its limit of 300 mm: .*`fieldstack jog y -`"):
        begin(cell, way=1)
    jog = begin(cell, way=-1)
    hold(cell, jog, 60)
    assert not jog.ended
    assert cell.facts.targets[Y] < TOP
    steps = [b - a for a, b in pairwise(cell.positions(Y))]
    assert max(steps) <= 0
    assert fastest(cell) <= SLOW


def with_facts(cell: BenchCell, **changes: object) -> None:
    cell.facts = replace(cell.facts, **changes)  # type: ignore[arg-type]


def of_axes(mode: AxisMode) -> dict[str, object]:
    return {"axes": (HOLDING[0], mode, *HOLDING[2:])}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stop": Stop.ESTOP}, "EMERGENCY_STOP is latched.*fieldstack reset"),
        ({"stop": Stop.WKC}, "slaves do not take part"),
        ({"permit": False}, "gives no permit"),
        ({"phase": RtPhase.STARTING}, "RT does not cycle"),
        (of_axes(AxisMode.DISABLED), "axis y does not stand under power"),
        ({"stops": (Stop.NONE, Stop.BLOCKED, Stop.NONE, Stop.NONE)}, "axis y .*blocked by the Non-RT"),
    ],
)
def test_it_is_refused_with_why(cell: BenchCell, changes: dict[str, object], says: str) -> None:
    with_facts(cell, **changes)
    with pytest.raises(TaskError, match=says):
        begin(cell)


def test_what_can_not_be_is_refused(cell: BenchCell) -> None:
    for axis, percent, held_ms, says in (
        ("q", 100, 0, "no axis 'q'; axes here: x, y, z, c"),
        ("y", 0, 0, "1 to 100"),
        ("y", 101, 0, "1 to 100"),
        ("y", 100, 151, "hold it again"),
        ("y", 100, -1, "hold it again"),
    ):
        with pytest.raises(TaskError, match=says):
            begin(cell, axis, percent=percent, held_ms=held_ms)


def test_one_at_a_time_and_an_old_one_is_not_held_any_more(cell: BenchCell) -> None:
    jog = begin(cell)
    with pytest.raises(TaskError, match="axis y is jogged at present"):
        begin(cell, "x")
    cell.executor.jogging.release(jog.number)
    assert cell.executor.jogging.renew(cell.now_ns, jog.number, cell.now_ns).ended == "let go"
    cell.run(30)
    begin(cell, "x")
    with pytest.raises(TaskError, match="no such jog"):
        cell.executor.jogging.renew(cell.now_ns, jog.number, cell.now_ns)


def test_a_renewal_that_was_delayed_holds_nothing(cell: BenchCell) -> None:
    jog = begin(cell)
    held_ns = cell.now_ns
    cell.run(8)
    with pytest.raises(TaskError, match="hold it again"):
        cell.executor.jogging.renew(cell.now_ns, jog.number, held_ns)


def test_a_task_of_the_group_comes_before_it_and_waits_behind_it(cell: BenchCell) -> None:
    task = cell.submit(declare("[{move: {to: {x: 20}}}, {wait: {ms: 20}}]", needs={"group": "all"}))
    cell.run(3)
    with pytest.raises(TaskError, match=r"task 't' moves axis group 'all': `fieldstack task pause t`"):
        begin(cell)
    cell.until(cell.ended)
    cell.run(30)
    jog = begin(cell)
    hold(cell, jog, 5)
    task = cell.submit(declare("[{move: {to: {x: 0}}}]", id="u", needs={"group": "all"}))
    hold(cell, jog, 20)
    assert task.describe()["why"] == "axis y is jogged by hand"
    cell.executor.jogging.release(jog.number)
    cell.until(lambda: cell.ended("u"))
    assert (task.phase, cell.at(0)) == ("done", 0)


def test_another_group_works_on_meanwhile(make_cell: Callable[..., BenchCell]) -> None:
    """The setpoints of both are planned ahead: a jog that is cut leaves some that nobody plays."""
    cell = make_cell(machine=two_groups())
    steps = "[{repeat: {times: 40, steps: [{move: {to: [10, 10]}}, {move: {to: [0, 0]}}]}}]"
    stand(cell, 2, 0)
    task = cell.submit(declare(steps, needs={"group": "left"}))
    cell.run(5)
    jog = begin(cell, "u")
    hold(cell, jog, 40)
    at = cell.facts.targets[2]
    assert at > 0
    before = cell.executor.table.steps
    cell.executor.jogging.release(jog.number)
    cell.run(40)
    assert cell.executor.table.steps > before
    assert {stream for stream, *_ in cell.played} == {1}
    again = begin(cell, "u", way=-1)
    hold(cell, again, 40)
    assert not again.ended
    assert cell.facts.targets[2] < at
    assert fastest(cell, 2) <= two_groups().axes[2].jog_counts_s
    assert not task.why


def test_rt_ends_it_with_the_axes(cell: BenchCell) -> None:
    jog = begin(cell)
    hold(cell, jog, 10)
    cell.break_stream()
    cell.run()
    assert jog.ended == "the axes were stopped"


WAITING = (Stop.START,) * 4


def test_holding_an_axis_needs_no_other_start_and_starts_nothing_else(cell: BenchCell) -> None:
    with_facts(cell, stop=Stop.START, stops=WAITING)
    task = cell.submit(declare("[{move: {to: {x: 20}}}]", needs={"group": "all"}))
    cell.run(5)
    assert not cell.played
    assert task.describe()["why"] == "its axes wait for a start: `fieldstack start`"
    jog = begin(cell)
    for _ in range(40):
        cell.run()
        with_facts(cell, stop=Stop.START, stops=WAITING)
        cell.executor.jogging.renew(cell.now_ns, jog.number, cell.now_ns)
    assert not jog.ended
    assert cell.at(Y) > 5
    assert {mask for *_, mask in cell.played} == {0, 1 << Y}, "nothing but the axis that is held is commanded"
    ahead = range(int(cell.ring.tail), int(cell.ring.head))
    assert {cell.ring.slots[at % 1024].hold_to_run for at in ahead} == {1 << Y}, "and each setpoint says so"
    cell.executor.jogging.release(jog.number)
    for _ in range(30):
        cell.run()
        with_facts(cell, stop=Stop.START, stops=WAITING)
    assert (task.shown, cell.at(0)) == ("ready", 0)
    with_facts(cell, stop=Stop.NONE, stops=())
    cell.until(cell.ended)
    assert cell.at(0) == 20
