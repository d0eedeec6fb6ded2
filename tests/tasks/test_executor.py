"""The TaskExecutor on a real setpoint ring: keeps it filled, never feeds a stream that RT ended."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from fieldstack.tasks.motion.rt_facts import rt_facts
from fieldstack.tasks.motion.stream_control import ACCEPT_TIMEOUT_NS, BACKOFF_NS, StreamAction
from fieldstack.tasks.program.demo import demo_tasks
from fieldstack_rt._native import lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import AxisMode, CoreState, RtPhase, Stop, StreamState
from tests.tasks.bench_cell import HOLDING, LEAD, MACHINE, BenchCell, declare

MS = 1_000_000


@pytest.fixture
def demo(cell: BenchCell) -> BenchCell:
    """With the demo, which never ends."""
    cell.boot(demo_tasks(MACHINE, dwell_ms=10))
    return cell


def queued(cell: BenchCell) -> int:
    return int(cell.ring.head) - int(cell.ring.tail)


def test_a_stream_begins_at_the_held_position_and_is_kept_full(demo: BenchCell) -> None:
    demo.facts = replace(demo.facts, targets=(123, 0, 0, 0))
    assert demo.pass_() is StreamAction.BEGIN
    assert queued(demo) == LEAD
    demo.run(100)
    assert demo.played[0][1][0] == 123
    assert queued(demo) >= LEAD - 20
    assert {stream for stream, *_ in demo.played} == {1}
    assert demo.executor.state is CoreState.MOVING


def test_the_demo_never_jumps_nor_rests_longer_than_it_says(demo: BenchCell) -> None:
    demo.run(600)
    for axis, plan in enumerate(MACHINE.axes):
        steps = [abs(b - a) for a, b in pairwise(demo.positions(axis))]
        assert max(steps) <= plan.velocity_max_counts_s * 0.6 / 1000 + 1
    still = [before == after for before, after in pairwise(position for _, position, *_ in demo.played[50:])]
    longest = max(len(run) for run in "".join("x" if rest else " " for rest in still).split())
    assert longest < 40
    assert demo.task("demo").run >= 1


def test_nothing_to_do_opens_no_stream(cell: BenchCell) -> None:
    cell.run(5)
    assert queued(cell) == 0
    assert cell.executor.state is CoreState.WAITING
    assert cell.executor.safe_moment


@pytest.mark.parametrize(
    "change",
    [
        {"phase": RtPhase.STARTING},
        {"phase": RtPhase.ABSENT},
        {"permit": False},
        {"stop": Stop.ESTOP},
        {"stop": Stop.NOT_ENABLED},
        {"stop": Stop.AXIS_FAULT},
        {"axes": (AxisMode.RAMPING,) * 4},
        {"axes": (AxisMode.FAULT, *HOLDING[1:])},
        {"blocked": 1},
        {"stops": (Stop.BLOCKED, Stop.NONE, Stop.NONE, Stop.NONE)},
    ],
)
def test_nothing_begins_while_anything_stops_the_axes(demo: BenchCell, change: dict[str, object]) -> None:
    demo.facts = replace(demo.facts, **change)  # type: ignore[arg-type]
    demo.pass_()
    assert queued(demo) == 0
    assert demo.executor.state is CoreState.WAITING


@pytest.mark.parametrize("ended", [StreamState.UNDERRUN, StreamState.BROKEN, StreamState.REFUSED])
def test_a_stream_that_rt_ended_is_never_fed_again(demo: BenchCell, ended: StreamState) -> None:
    demo.run(10)
    head = int(demo.ring.head)
    demo.facts = replace(demo.facts, stream_state=ended, stop=Stop.ESTOP, axes=(AxisMode.QUICK_STOP,) * 4)
    assert demo.pass_() is StreamAction.GIVE_UP
    assert demo.pass_() is StreamAction.WAIT
    assert int(demo.ring.head) == head


def test_the_next_stream_has_a_higher_id_and_begins_where_the_axes_stand(demo: BenchCell) -> None:
    demo.run(10)
    demo.facts = replace(
        demo.facts,
        stream_state=StreamState.UNDERRUN,
        axes=HOLDING,
        targets=(777, 0, 0, 0),
        stop=Stop.UNDERRUN,
    )
    assert demo.pass_() is StreamAction.GIVE_UP
    assert demo.pass_(BACKOFF_NS // MS - 1) is StreamAction.WAIT
    assert demo.pass_(2) is StreamAction.BEGIN
    while demo.ring.slots[int(demo.ring.tail) % 1024].stream == 1:
        lib.fs_setpoint_drop(demo.ring)  # as the cycle drops what is left of an ended stream
    first = lib.fs_setpoint_peek(demo.ring)
    assert (first.stream, first.position[0]) == (2, 777)
    assert queued(demo) == LEAD


def test_another_rt_process_ends_the_stream_whatever_it_says(demo: BenchCell) -> None:
    demo.run(10)
    demo.facts = replace(demo.facts, epoch=2)
    assert demo.pass_() is StreamAction.GIVE_UP


def test_a_stream_that_is_never_taken_up_is_given_up(demo: BenchCell) -> None:
    assert demo.pass_() is StreamAction.BEGIN
    assert demo.pass_(ACCEPT_TIMEOUT_NS // MS) is StreamAction.FEED
    assert demo.pass_() is StreamAction.GIVE_UP


def test_a_stop_plays_to_its_planned_rest_and_nothing_begins_after_it(demo: BenchCell) -> None:
    demo.run(20)
    demo.executor.stop()
    demo.run(100)
    assert demo.executor.stopped
    assert demo.facts.stream_state is StreamState.ENDED
    assert demo.facts.standing
    assert demo.executor.state is CoreState.STOPPED
    demo.pass_(1000)
    assert queued(demo) == 0


def test_what_counts_as_done_is_what_was_played(demo: BenchCell) -> None:
    demo.pass_()
    assert demo.executor.table.steps == 0  # 200 setpoints are planned, none is played
    demo.run(200)
    assert demo.executor.table.steps > 3


def test_a_task_runs_to_its_end_and_the_stream_ends_with_it(cell: BenchCell) -> None:
    cell.submit(
        declare(
            "[{move: {to: {x: 10, y: -5}}}, {set_output: {out-1: true, out-3: true}}, {wait: {ms: 50}},"
            " {move: {to: [20, null, null, 90]}}, {set_output: {out-1: false}}]",
            needs={"group": "all"},
        )
    )
    cell.until(cell.ended)
    assert cell.task().phase == "done"
    assert (cell.at(0), cell.at(1), cell.at(3)) == (20, -5, 90)
    assert cell.outputs() == [0, 0b101, 0b100]
    cell.until(lambda: cell.executor.state is CoreState.WAITING)
    assert cell.facts.stream_state is StreamState.ENDED


def test_numbers_that_no_rt_process_writes_let_nothing_begin(store: DataStore) -> None:
    record = store.new("fs_rt_status")
    record.axis_count = 4_000_000
    record.stop_reason = 99
    record.stream_state = 99
    facts = rt_facts(record, phase=RtPhase.CYCLING, permit=True)
    assert not facts.ready
    assert len(facts.axes) == 64
