"""The TaskExecutor on a real setpoint ring: keeps it filled, never feeds a stream that RT ended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from fieldstack.core.executor import TaskExecutor, rt_facts
from fieldstack.core.motion import Limits
from fieldstack.core.program import DemoProgram
from fieldstack.core.protocol import ACCEPT_TIMEOUT_NS, BACKOFF_NS, RtFacts, Verdict
from fieldstack.core.task_state import TaskState
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import AxisMode, CoreState, RtPhase, Stop, StreamState
from fieldstack_rt.instance import Instance

MS = 1_000_000
LEAD = 200
PROGRAM = DemoProgram(
    way_points=((0.0,), (10_000.0,), (-5_000.0,)),
    limits=(Limits(100_000, 1_000_000, 20_000_000),),
    io_bits=(8,),
    cycle_s=0.001,
    dwell_cycles=10,
)
STANDING = RtFacts(
    phase=RtPhase.CYCLING,
    epoch=1,
    stop=Stop.NONE,
    permit=True,
    stream=0,
    stream_state=StreamState.IDLE,
    tail=0,
    axes=(AxisMode.HOLDING,),
    targets=(123,),
)


@pytest.fixture
def store() -> Iterator[DataStore]:
    store = DataStore.create(Instance(f"core-test-{os.getpid()}"))
    yield store
    store.unlink()


class Cycle:
    """The cycle's side of the ring: takes setpoints as the cycle thread does."""

    def __init__(self, store: DataStore, executor: TaskExecutor) -> None:
        self.ring = ffi.addressof(store.raw.setpoints)
        self.executor = executor
        self.facts = STANDING
        self.now_ns = 0
        self.played: list[tuple[int, int, bool]] = []

    def play(self, cycles: int) -> None:
        for _ in range(cycles):
            setpoint = lib.fs_setpoint_peek(self.ring)
            if setpoint == ffi.NULL:
                return
            last = bool(setpoint.flags & 1)
            self.played.append((setpoint.stream, setpoint.position[0], last))
            state = StreamState.ENDED if last else StreamState.PLAYING
            mode = AxisMode.HOLDING if last else AxisMode.FOLLOWING
            lib.fs_setpoint_drop(self.ring)
            self.facts = replace(
                self.facts,
                stream=setpoint.stream,
                stream_state=state,
                axes=(mode,),
                targets=(setpoint.position[0],),
                tail=int(self.ring.tail),
            )

    def pass_(self, ms: int = 20) -> Verdict:
        self.now_ns += ms * MS
        return self.executor.step(self.now_ns, self.facts)

    def run(self, passes: int) -> None:
        for _ in range(passes):
            self.pass_()
            self.play(20)

    def queued(self) -> int:
        return int(self.ring.head) - int(self.ring.tail)


@pytest.fixture
def cycle(store: DataStore) -> Cycle:
    return Cycle(store, TaskExecutor(PROGRAM, store.setpoints, TaskState(step=1), LEAD))


def test_a_stream_begins_at_the_held_position_and_is_kept_full(cycle: Cycle) -> None:
    assert cycle.pass_() is Verdict.BEGIN
    assert cycle.queued() == LEAD
    cycle.run(100)
    assert cycle.played[0] == (1, 123, False)
    assert cycle.queued() >= LEAD - 20
    assert {stream for stream, _, _ in cycle.played} == {1}
    assert cycle.executor.state is CoreState.MOVING


@pytest.mark.parametrize(
    "change",
    [
        {"phase": RtPhase.STARTING},
        {"phase": RtPhase.ABSENT},
        {"permit": False},
        {"stop": Stop.ESTOP},
        {"stop": Stop.NOT_ENABLED},
        {"stop": Stop.AXIS_FAULT},
        {"axes": (AxisMode.RAMPING,)},
        {"axes": (AxisMode.FAULT,)},
    ],
)
def test_nothing_begins_while_anything_stops_the_axes(cycle: Cycle, change: dict[str, object]) -> None:
    cycle.facts = replace(STANDING, **change)  # type: ignore[arg-type]
    assert cycle.pass_() is Verdict.WAIT
    assert cycle.queued() == 0
    assert cycle.executor.state is CoreState.WAITING


@pytest.mark.parametrize("ended", [StreamState.DRY, StreamState.BROKEN, StreamState.REFUSED])
def test_a_stream_that_rt_ended_is_never_fed_again(cycle: Cycle, ended: StreamState) -> None:
    cycle.run(10)
    head = int(cycle.ring.head)
    cycle.facts = replace(cycle.facts, stream_state=ended, stop=Stop.ESTOP, axes=(AxisMode.QUICK_STOP,))
    assert cycle.pass_() is Verdict.GIVE_UP
    assert cycle.pass_() is Verdict.WAIT
    assert int(cycle.ring.head) == head


def test_the_next_stream_has_a_higher_id_and_begins_where_the_axes_stand(cycle: Cycle) -> None:
    cycle.run(10)
    cycle.facts = replace(cycle.facts, stream_state=StreamState.DRY, axes=(AxisMode.HOLDING,), targets=(777,))
    assert cycle.pass_() is Verdict.GIVE_UP
    assert cycle.pass_(BACKOFF_NS // MS - 1) is Verdict.WAIT
    assert cycle.pass_(2) is Verdict.BEGIN
    while cycle.ring.slots[int(cycle.ring.tail) % 1024].stream == 1:
        lib.fs_setpoint_drop(cycle.ring)  # as the cycle drops what is left of an ended stream
    first = lib.fs_setpoint_peek(cycle.ring)
    assert (first.stream, first.position[0]) == (2, 777)
    assert cycle.queued() == LEAD


def test_another_rt_process_ends_the_stream_whatever_it_says(cycle: Cycle) -> None:
    cycle.run(10)
    cycle.facts = replace(cycle.facts, epoch=2)
    assert cycle.pass_() is Verdict.GIVE_UP


def test_a_stream_that_is_never_taken_up_is_given_up(cycle: Cycle) -> None:
    assert cycle.pass_() is Verdict.BEGIN
    assert cycle.pass_(ACCEPT_TIMEOUT_NS // MS) is Verdict.FEED
    assert cycle.pass_() is Verdict.GIVE_UP


def test_a_stop_plays_to_its_planned_rest_and_nothing_begins_after_it(cycle: Cycle) -> None:
    cycle.run(20)
    cycle.executor.stop()
    cycle.run(100)
    assert cycle.executor.stopped
    assert cycle.played[-1][2]
    assert cycle.executor.state is CoreState.STOPPED
    assert cycle.pass_(1000) is Verdict.BEGIN
    assert cycle.queued() == 0


def test_the_task_is_the_step_that_is_played(cycle: Cycle) -> None:
    cycle.run(5)
    assert cycle.executor.task == TaskState(step=1)
    cycle.run(200)
    assert cycle.executor.task.step > 3


def test_numbers_that_no_rt_process_writes_let_nothing_begin(store: DataStore) -> None:
    record = store.new("fs_rt_status")
    record.axis_count = 4_000_000
    record.stop_reason = 99
    record.stream_state = 99
    facts = rt_facts(record, phase=RtPhase.CYCLING, permit=True)
    assert not facts.ready
    assert len(facts.axes) == 64
