"""What the cycle does with setpoints, the latch, the permit and a Non-RT process that falls silent."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.testing.motion_trace import check_smooth
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import Clear, EstopSource, EventCode
from fieldstack_rt.datastore.layout import AxisMode, Stop, StreamState
from fieldstack_rt.datastore.rings import ALL_AXES
from tests.rt.rt_cell import RtCell, rt_cell, stop_segment, take_rts_cpu, wait_for

OPERATION_ENABLED = 0x27
STATE_BITS = 0x6F
DT = 0.001


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance) as found:
        yield found


class Sway:
    """All axes sway around where they stand: one period a second, from rest."""

    def __init__(self, cell: RtCell, stream: int) -> None:
        self._cell, self._stream, self._count = cell, stream, 0
        status = cell.store.rt_status()
        self._start = [int(status.axes[i].target) for i in range(len(cell.plan.axes))]
        self._amplitude = [min(axis.velocity_max_counts_s / 20, 20_000) for axis in cell.plan.axes]

    def push(self, seconds: float, *, last: bool = False) -> None:
        """What has room at once, from C: where the CPU is taken away between two of them, RT runs dry."""
        count = round(seconds / DT)
        points = ffi.new("fs_setpoint[]", count)
        for number in range(count):
            self._fill(points[number], last=last and number == count - 1)
            self._count += 1
        pushed = 0
        while pushed < count:
            ring = ffi.addressof(self._cell.store.raw, "setpoints")
            pushed += lib.fs_setpoint_push_many(ring, points + pushed, count - pushed)
            time.sleep(0.01)

    def _fill(self, point: Any, *, last: bool) -> None:
        angle = 2 * math.pi * self._count * DT
        away = (1 - math.cos(angle)) / 2
        speed = math.pi * math.sin(angle)
        point.stream, point.axes, point.flags, point.io_size = self._stream, ALL_AXES, int(last), 1
        point.io[0] = 5
        for axis, (start, amplitude) in enumerate(zip(self._start, self._amplitude, strict=True)):
            point.position[axis] = round(start + amplitude * away)
            point.velocity[axis] = round(amplitude * speed)


class Dash:
    """All axes speed up together in 0.2 s, nearly to their limits, and go on so for up to 0.4 s."""

    def __init__(self, cell: RtCell, stream: int) -> None:
        self._cell, self._stream = cell, stream
        status = cell.store.rt_status()
        self._start = [int(status.axes[i].target) for i in range(len(cell.plan.axes))]
        self.speeds = [dash_speed(axis, at) for axis, at in zip(cell.plan.axes, self._start, strict=True)]

    def push(self) -> None:
        away_s, pace = 0.0, 0.0
        for _ in range(round(0.6 / DT)):
            pace = min(1.0, pace + DT / 0.2)
            away_s += pace * DT
            positions = [round(s + v * away_s) for s, v in zip(self._start, self.speeds, strict=True)]
            velocities = [round(v * pace) for v in self.speeds]
            while not self._cell.store.setpoints.push(self._stream, positions, velocities, b"\x05"):
                time.sleep(0.01)


def dash_speed(axis: AxisPlan, at: int) -> float:
    """To the side with more room, so fast that the room is enough."""
    up, down = axis.position_max_counts - at, at - axis.position_min_counts
    speed = min(0.85 * axis.velocity_max_counts_s, 0.9 * max(up, down) / 0.5)
    return speed if up > down else -speed


def _state(cell: RtCell) -> StreamState:
    return StreamState(cell.store.rt_status().stream_state)


def _stops_with(cell: RtCell, reason: Stop) -> None:
    wait_for(lambda: cell.store.rt_status().stop_reason == reason, f"stop reason {reason.name}")
    wait_for(lambda: _standing(cell), "all axes stand")


def _standing(cell: RtCell) -> bool:
    status = cell.store.rt_status()
    resting = {AxisMode.HOLDING, AxisMode.QUICK_STOP, AxisMode.DISABLED, AxisMode.ENABLING}
    truth = cell.segment.client.truth()
    return all(status.axes[i].state in resting for i in range(len(cell.plan.axes))) and all(
        abs(slave.velocity) < 50 for slave in truth
    )


def _motion_was_smooth(cell: RtCell, since_ns: int) -> None:
    """The motors' own truth; times in which the machine stood still are left out."""
    late = {EventCode.LATE_WAKEUP, EventCode.FRAME_LOST}
    stalls = [event.t_ns for event in cell.drain() if event.code in late]
    for axis in cell.plan.axes:
        trace = [s for s in cell.segment.client.trace(axis.slave) if s.t_ns >= since_ns]
        assert len(trace) > 10
        check_smooth(axis, trace, stalls)


@pytest.mark.system
def test_a_stream_is_played_to_its_end_at_rest(cell: RtCell) -> None:
    began = time.monotonic_ns()
    Sway(cell, 1).push(1.0, last=True)
    wait_for(lambda: _state(cell) is StreamState.ENDED, "the stream ends")
    assert cell.store.rt_status().stop_reason == Stop.NONE
    moved = [slave for slave in cell.segment.client.truth() if slave.device != "dio"]
    assert all(slave.statusword & STATE_BITS == OPERATION_ENABLED for slave in moved)
    _motion_was_smooth(cell, began)


@pytest.mark.system
def test_a_stall_leaves_out_the_motion_of_its_time(cell: RtCell) -> None:
    """Drives carry on while setpoints stay away: a stream that then went on where it was would jump back."""
    pushing = threading.Thread(target=Sway(cell, 1).push, args=(2.5,))
    pushing.start()
    wait_for(lambda: _state(cell) is StreamState.PLAYING, "the stream plays")
    before = cell.store.rt_status()
    for _ in range(5):
        take_rts_cpu(0.012)
    after = cell.store.rt_status()
    pushing.join()
    cycles, skipped, taken = (
        int(getattr(after, name) - getattr(before, name))
        for name in ("cycle", "skipped_cycles", "setpoint_tail")
    )
    assert (after.stream, StreamState(after.stream_state)) == (1, StreamState.PLAYING)
    assert skipped >= 5 * 10
    assert taken == cycles + skipped


@pytest.mark.system
@pytest.mark.parametrize("stall_s", [0.03, 0.06])
@pytest.mark.parametrize("of", ["rt", "bus"])
def test_a_stall_beyond_the_limit_stops_the_axes_from_where_they_are(
    instance: Instance, of: str, stall_s: float
) -> None:
    """What the drives did meanwhile is not known. A target that goes on to where the stream is by now, or
    slows down from where it was, would be a jump: a fault (0x8611) until a person resets it."""
    with rt_cell(instance, lost_cycles_limit=20) as cell:
        dash = Dash(cell, 1)
        pushing = threading.Thread(target=dash.push)
        pushing.start()
        wait_for(lambda: cell.store.rt_status().axes[0].velocity > 0.9 * dash.speeds[0], "full speed")
        if of == "rt":
            take_rts_cpu(stall_s)
        else:
            stop_segment(cell, stall_s)
        pushing.join()
        wait_for(lambda: _state(cell) is StreamState.BROKEN, "the stream is broken off")
        wait_for(lambda: _standing(cell), "all axes stand")
        assert not {EventCode.AXIS_FAULT, EventCode.STREAM_REFUSED} & {event.code for event in cell.drain()}
        cell.wait_until_free_to_move()
        Sway(cell, 2).push(0.5)
        wait_for(lambda: cell.store.rt_status().stream == 2, "a new stream is accepted")
        assert _state(cell) is StreamState.PLAYING


@pytest.mark.system
def test_plain_outputs_are_streamed_with_the_axes(cell: RtCell) -> None:
    Sway(cell, 1).push(0.3)
    wait_for(lambda: cell.segment.client.truth()[-1].digital_outputs == 5, "outputs arrive")


@pytest.mark.system
def test_a_ring_that_runs_dry_means_a_controlled_stop_and_a_new_stream_goes_on(cell: RtCell) -> None:
    began = time.monotonic_ns()
    Sway(cell, 1).push(0.25)
    wait_for(lambda: _state(cell) is StreamState.UNDERRUN, "the stream runs dry")
    wait_for(lambda: _standing(cell), "all axes stand")
    assert cell.seen(EventCode.STREAM_DRY)
    _motion_was_smooth(cell, began)
    Sway(cell, 2).push(0.5)
    wait_for(lambda: cell.store.rt_status().stream == 2, "a new stream is accepted")


@pytest.mark.system
def test_a_stream_that_would_jump_is_refused(cell: RtCell) -> None:
    target = int(cell.store.rt_status().axes[0].target)
    others = [int(cell.store.rt_status().axes[i].target) for i in range(1, 4)]
    cell.store.setpoints.push(1, [target + 100_000, *others], [0] * 4)
    wait_for(lambda: _state(cell) is StreamState.REFUSED, "the stream is refused")
    assert cell.seen(EventCode.STREAM_REFUSED)
    assert int(cell.store.rt_status().axes[0].target) == target


@pytest.mark.system
def test_garbage_in_the_ring_does_not_void_the_streams_to_come(cell: RtCell) -> None:
    targets = [int(cell.store.rt_status().axes[i].target) for i in range(len(cell.plan.axes))]
    for garbage in (2**64 - 1, 2**40):
        cell.store.setpoints.push(garbage, targets, [0] * len(targets))
    wait_for(lambda: cell.seen(EventCode.STREAM_DAMAGED), "the damage is told")
    Sway(cell, 1).push(0.2, last=True)
    wait_for(lambda: cell.store.rt_status().stream == 1, "the next stream is played")


@pytest.mark.system
def test_a_damaged_ring_is_mended_while_the_axes_must_stand(cell: RtCell) -> None:
    cell.store.motion_permit = False
    _stops_with(cell, Stop.PERMIT)
    cell.store.raw.setpoints.head = 4455282616021634425
    wait_for(lambda: cell.store.raw.setpoints.tail == 4455282616021634425, "the ring is empty again")
    cell.store.motion_permit = True
    cell.wait_until_free_to_move()
    Sway(cell, 1).push(0.2)
    wait_for(lambda: _state(cell) is StreamState.PLAYING, "the next stream is played")


@pytest.mark.system
def test_a_stray_tail_of_the_ring_plays_nothing_again(cell: RtCell) -> None:
    Sway(cell, 1).push(0.5)
    wait_for(lambda: _state(cell) is StreamState.PLAYING, "the stream is played")
    ring, played = cell.store.raw.setpoints, cell.store.rt_status().setpoint_tail
    ring.tail = played - 100 if played > 100 else 0
    wait_for(lambda: ring.tail >= played, "the tail is mended")
    wait_for(lambda: _state(cell) is StreamState.UNDERRUN, "the stream goes on to its end")
    assert ring.tail == ring.head


@pytest.mark.system
def test_an_rt_process_that_ends_before_the_bus_is_up_says_why_and_nothing_else(cell: RtCell) -> None:
    assert cell.stop_rt() == 0
    failed = cell.start_rt("--interface", "no-such-if")
    assert failed.wait(15) == 4
    assert failed.stderr is not None
    assert "on the way down" not in failed.stderr.read()


@pytest.mark.system
@pytest.mark.parametrize("source", list(EstopSource))
def test_every_sources_emergency_stop_is_obeyed_and_latched_until_reset(
    cell: RtCell, source: EstopSource
) -> None:
    began = time.monotonic_ns()
    Sway(cell, 1).push(0.25)
    cell.store.estop.raise_(source, "test", until=Clear.ON_RESET)
    word = cell.store.estop.state().word
    wait_for(lambda: cell.store.rt_status().estop_seen == word, "the cycle acknowledges")
    _stops_with(cell, Stop.ESTOP)
    wait_for(lambda: all(slave.safe for slave in cell.segment.client.truth()), "outputs are safe")
    assert {slave.al_state for slave in cell.segment.client.truth()} == {8}
    assert cell.segment.client.truth()[-1].digital_outputs == 0
    Sway(cell, 2).push(0.1)
    time.sleep(0.1)
    assert cell.store.rt_status().stop_reason == Stop.ESTOP
    _motion_was_smooth(cell, began)
    cell.store.estop.clear([source], Clear.ON_RESET)
    cell.wait_until_free_to_move()
    assert cell.guard.status().trips == 0


@pytest.mark.system
def test_without_the_permit_the_axes_stop_and_hold(cell: RtCell) -> None:
    Sway(cell, 1).push(0.25)
    cell.store.motion_permit = False
    _stops_with(cell, Stop.PERMIT)
    cell.store.motion_permit = True
    cell.wait_until_free_to_move()


@pytest.mark.system
def test_a_silent_nonrt_process_stops_the_axes_and_its_return_frees_them(cell: RtCell) -> None:
    began = time.monotonic_ns()
    Sway(cell, 1).push(0.25)
    cell.beating.clear()
    _stops_with(cell, Stop.NONRT_SILENT)
    assert cell.seen(EventCode.NONRT_SILENT)
    _motion_was_smooth(cell, began)
    cell.beating.set()
    cell.wait_until_free_to_move()
    assert cell.seen(EventCode.NONRT_BACK)


@pytest.mark.system
def test_a_drive_fault_stops_all_axes_until_a_reset(cell: RtCell) -> None:
    Sway(cell, 1).push(0.25)
    cell.segment.client.drive_fault(1, 0x2310)
    wait_for(lambda: cell.store.rt_status().stop_reason == Stop.AXIS_FAULT, "the fault is seen")
    assert cell.store.rt_status().axes[1].error_code == 0x2310
    wait_for(lambda: cell.seen(EventCode.AXIS_FAULT), "it is told")
    cell.store.request_fault_reset()
    cell.wait_until_free_to_move()


@pytest.mark.system
def test_lost_frames_are_counted_and_told_with_their_cause(cell: RtCell) -> None:
    before = cell.store.rt_status().lost_frames
    while cell.store.rt_status().lost_frames < before + 2:  # some of what is dropped is RT's other frames
        cell.segment.client.drop_frames(1)
        time.sleep(0.05)
    wait_for(lambda: cell.seen(EventCode.FRAME_LOST) and cell.seen(EventCode.WKC_BACK), "and told")


@pytest.mark.system
def test_a_cut_cable_stops_the_axes_and_healing_brings_them_back(cell: RtCell) -> None:
    Sway(cell, 1).push(0.25)
    cell.segment.client.cut_cable(2)
    wait_for(lambda: cell.store.rt_status().stop_reason == Stop.WKC, "the working counter stops the axes")
    wait_for(lambda: b"cable" in ffi.string(cell.store.rt_bus().diagnosis), "the diagnosis names the place")
    for number, axis in enumerate(cell.plan.axes):  # what is not seen is no following error
        assert abs(cell.store.rt_status().axes[number].following_error) <= axis.following_error_max_counts
    cell.segment.client.heal_cable()
    cell.wait_until_free_to_move()
    assert {slave.al_state for slave in cell.segment.client.truth()} == {8}


@pytest.mark.system
def test_a_slave_that_lost_power_comes_back_with_its_set_up(cell: RtCell) -> None:
    Sway(cell, 1).push(0.25)
    cell.segment.client.power_off(3)
    wait_for(lambda: cell.store.rt_status().stop_reason == Stop.WKC, "the loss stops the axes")
    cell.segment.client.power_on(3)
    wait_for(lambda: cell.store.rt_status().wkc == cell.store.rt_status().expected_wkc, "all take part again")
    wait_for(lambda: cell.seen(EventCode.SLAVE_RECOVERED), "it is told")
