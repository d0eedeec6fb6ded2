"""Axis groups: what fails in one that is not essential stops that one alone, and it comes back alone."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fieldstack_base.instance import Instance
from fieldstack_ethercat.segment.truth import EventKind as SegmentEvent
from fieldstack_ethercat.testing.motion_trace import check_smooth
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import BusCommandKind, EventCode
from fieldstack_rt.datastore.layout import AxisMode, Stop, StreamState
from tests.rt.rt_cell import RtCell, rt_cell, wait_for

GROUPS = """
loss_diagnosis_ms: 500
groups:
  - {name: tool, axes: [c], slaves: [dio], essential: false}
"""
"""Axes x, y and z are the essential rest; c and the terminal behind it may be lost. A busy machine needs long
for a diagnosis: 20 ms is for one that is not."""
REST, TOOL, ALL = 0b0111, 0b1000, 0b1111
AHEAD = 400
"""Setpoints that are queued ahead: a busy machine may keep the thread that pushes them for as long."""


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance, groups=GROUPS) as found:
        yield found


class Motion(threading.Thread):
    """A Main Core that sways all axes that it commands, for ever; axes that are let go are held."""

    def __init__(self, cell: RtCell, stream: int = 1) -> None:
        super().__init__()
        self._cell, self._stream, self._count = cell, stream, 0
        status = cell.store.rt_status()
        self.start_at = [int(status.axes[i].target) for i in range(4)]
        self._amplitude = [min(axis.velocity_max_counts_s / 20, 20_000) for axis in cell.plan.axes]
        self.axes, self.over = ALL, threading.Event()
        self._at_start: int | None = None

    def run(self) -> None:
        while not self.over.wait(0.005):
            while self._cell.store.setpoints.queued < AHEAD:
                self._push()

    def _push(self) -> None:
        if self._at_start is not None and self._count % 1000 == 0:
            self.axes, self._at_start = self._at_start, None
        angle = 2 * math.pi * self._count / 1000
        away, speed = (1 - math.cos(angle)) / 2, math.pi * math.sin(angle)
        axes = range(4)
        positions = [round(self.start_at[i] + self._amplitude[i] * away) for i in axes]
        velocities = [round(self._amplitude[i] * speed) for i in axes]
        self._cell.store.setpoints.push(self._stream, positions, velocities, axes=self.axes)
        self._count += 1

    def join_at_start(self, axes: int) -> None:
        """Commands `axes` again from where a sway begins: there they stand at its start."""
        self._at_start = axes

    def __enter__(self) -> Motion:
        self.start()
        wait_for(lambda: _status(self._cell).axes_playing == ALL, "all axes play")
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def _status(cell: RtCell) -> Any:
    return cell.store.rt_status()


def _group_stopped(cell: RtCell, reason: Stop) -> None:
    wait_for(lambda: _status(cell).axes[3].stop == reason, f"axis c stands: {reason.name}")
    wait_for(lambda: _status(cell).axes_playing == REST, "the others play")


def _others_never_stopped(cell: RtCell, since_ns: int) -> None:
    """By the stream's own counter, and by the motors' truth."""
    status = _status(cell)
    assert (status.stop_reason, status.stream, status.stream_state) == (Stop.NONE, 1, StreamState.PLAYING)
    tail = int(status.setpoint_tail)
    wait_for(lambda: _status(cell).setpoint_tail > tail + 50, "setpoints are taken")
    late = {EventCode.LATE_WAKEUP, EventCode.FRAME_LOST}
    stalls = [event.t_ns for event in cell.drain() if event.code in late]
    for axis in cell.plan.axes[:3]:
        trace = [s for s in cell.segment.client.trace(axis.slave) if s.t_ns >= since_ns]
        assert len(trace) > 50
        check_smooth(axis, trace, stalls)
    stops = [event for event in cell.drain() if event.code == EventCode.STOP_REASON and event.t_ns > since_ns]
    assert not stops


@pytest.mark.system
def test_a_slave_without_power_stops_its_group_alone_and_rejoins(cell: RtCell) -> None:
    with Motion(cell) as motion:
        began = time.monotonic_ns()
        full = int(_status(cell).expected_wkc)
        cell.segment.client.power_off(3)
        _group_stopped(cell, Stop.SLAVE_LOST)
        wait_for(lambda: _status(cell).wkc == _status(cell).expected_wkc < full, "less is expected")
        told = [0, 0, 0, 1, 1]
        wait_for(lambda: [int(s.lost) for s in cell.store.rt_bus().slaves[0:5]] == told, "it is told which")
        assert _status(cell).axes_lost == TOOL
        motion.axes = REST
        cell.segment.client.power_on(3)
        wait_for(lambda: _status(cell).wkc == _status(cell).expected_wkc == full, "all take part again")
        wait_for(lambda: _status(cell).axes[3].state == AxisMode.HOLDING, "c holds under power")
        wait_for(lambda: _status(cell).axes[3].stop == Stop.START, "nothing else is in its way")
        cell.start(TOOL)
        wait_for(lambda: _status(cell).axes[3].stop == Stop.NONE, "nothing is in its way")
        motion.start_at[3] = int(_status(cell).axes[3].target)
        motion.join_at_start(ALL)
        wait_for(lambda: _status(cell).axes_playing == ALL, "c plays again")
        _others_never_stopped(cell, began)
    assert cell.seen(EventCode.AXIS_JOINED)


@pytest.mark.system
def test_a_drive_fault_stops_its_group_alone_until_a_reset(cell: RtCell) -> None:
    with Motion(cell) as motion:
        began = time.monotonic_ns()
        cell.segment.client.drive_fault(3, 0x2310)
        _group_stopped(cell, Stop.AXIS_FAULT)
        motion.axes = REST
        cell.store.request_fault_reset()
        wait_for(lambda: _status(cell).axes[3].state == AxisMode.HOLDING, "c holds again")
        assert _status(cell).axes[3].stop == Stop.START
        _others_never_stopped(cell, began)


@pytest.mark.system
def test_a_blocked_group_stops_and_stays_out_until_the_stream_begins_to_command_it(cell: RtCell) -> None:
    with Motion(cell) as motion:
        began = time.monotonic_ns()
        cell.store.axes_blocked = TOOL
        _group_stopped(cell, Stop.BLOCKED)
        wait_for(lambda: _status(cell).axes[3].state == AxisMode.HOLDING, "c came to a stand")
        cell.store.axes_blocked = 0
        wait_for(lambda: _status(cell).axes[3].stop == Stop.START, "it waits for a start")
        cell.start(TOOL)
        wait_for(lambda: _status(cell).axes[3].stop == Stop.OUT, "free, but out of the running stream")
        motion.axes = REST
        wait_for(lambda: _status(cell).axes[3].stop == Stop.NONE, "no longer commanded")
        motion.start_at[3] = int(_status(cell).axes[3].target) + 100_000
        motion.join_at_start(ALL)
        wait_for(lambda: cell.seen(EventCode.AXIS_OUT), "it would jump: it stays out")
        assert _status(cell).axes_playing == REST
        _others_never_stopped(cell, began)


@pytest.mark.system
@pytest.mark.parametrize("fault", ["power", "fault", "block"])
def test_what_fails_in_an_essential_group_stops_all_axes(cell: RtCell, fault: str) -> None:
    with Motion(cell):
        if fault == "power":
            cell.segment.client.power_off(1)
        elif fault == "fault":
            cell.segment.client.drive_fault(1, 0x2310)
        else:
            cell.store.axes_blocked = 1
        reason = {"power": Stop.WKC, "fault": Stop.AXIS_FAULT, "block": Stop.BLOCKED}[fault]
        wait_for(lambda: _status(cell).stop_reason == reason, f"all stop: {reason.name}")
        wait_for(lambda: _status(cell).stream_state == StreamState.BROKEN, "the stream is broken")
        assert all(_status(cell).axes[i].stop == reason for i in range(4))


@pytest.mark.system
def test_axes_that_a_setpoint_does_not_command_hold(cell: RtCell) -> None:
    with Motion(cell) as motion:
        motion.join_at_start(REST)
        wait_for(lambda: _status(cell).axes_playing == REST, "c is let go")
        wait_for(lambda: _status(cell).axes[3].state == AxisMode.HOLDING, "it holds")
        target = int(_status(cell).axes[3].target)
        tail = int(_status(cell).setpoint_tail)
        wait_for(lambda: _status(cell).setpoint_tail > tail + 300, "the others go on")
        assert (int(_status(cell).axes[3].target), int(_status(cell).axes[3].stop)) == (target, Stop.NONE)


def _restart(cell: RtCell, slave: int) -> int:
    record = cell.store.bus_command()
    record.sequence, record.kind = record.sequence + 1, BusCommandKind.RESTART_SLAVE
    record.slaves[0] = 1 << slave
    cell.store.write_bus_command(record)
    return int(record.sequence)


def _answer(cell: RtCell, sequence: int) -> tuple[bool, str]:
    wait_for(lambda: cell.store.rt_bus().command_done == sequence, "the command is answered", 20.0)
    bus = cell.store.rt_bus()
    return bool(bus.command_ok), ffi.string(bus.command_text).decode()


@pytest.mark.system
def test_a_slave_is_restarted_while_the_other_groups_play_on(cell: RtCell) -> None:
    with Motion(cell) as motion:
        began, last = time.monotonic_ns(), _last_event(cell, 3)
        motion.axes = REST
        assert _answer(cell, _restart(cell, 3)) == (True, "drive-4 back in OP")
        states = [e.a for e in cell.segment.client.events(3, last) if e.kind is SegmentEvent.AL_STATE]
        assert states[0] == 1, "it went to INIT"
        assert states[-1] == 8
        wait_for(lambda: _status(cell).axes[3].state == AxisMode.HOLDING, "c holds under power")
        _others_never_stopped(cell, began)
    assert cell.seen(EventCode.SLAVE_RESTART)
    assert cell.seen(EventCode.BUS_COMMAND)


def _last_event(cell: RtCell, slave: int) -> int:
    return max((event.sequence for event in cell.segment.client.events(slave)), default=0)


@pytest.mark.system
def test_a_restart_of_an_essential_slave_stops_all_axes_first(cell: RtCell) -> None:
    began = time.monotonic_ns()
    with Motion(cell):
        ok, text = _answer(cell, _restart(cell, 1))
    assert (ok, text) == (True, "drive-2 back in OP")
    cell.wait_until_free_to_move()
    trace = [s for s in cell.segment.client.trace(cell.plan.axes[0].slave) if s.t_ns >= began]
    late = {EventCode.LATE_WAKEUP, EventCode.FRAME_LOST}
    check_smooth(cell.plan.axes[0], trace, [event.t_ns for event in cell.drain() if event.code in late])


@pytest.mark.system
def test_a_command_that_makes_no_sense_is_answered_with_what_is_wrong(cell: RtCell) -> None:
    assert _answer(cell, _restart(cell, 40)) == (False, "give positions from 0 to 4")


@pytest.mark.system
def test_errors_of_the_ports_are_counted(cell: RtCell) -> None:
    wait_for(lambda: cell.store.rt_bus().read_ns, "the bus is read")

    def counted() -> bool:
        cell.segment.client.corrupt_frames(1)
        time.sleep(0.02)
        return bool(cell.store.rt_bus().slaves[0].rx_errors > 2)

    def link_counted() -> bool:
        """Once RT has read the slave's counters before: what they held then is not its own."""
        cell.segment.client.cut_cable(4)
        wait_for(lambda: cell.store.rt_bus().slaves[4].lost, "the terminal is lost")
        cell.segment.client.heal_cable()
        wait_for(lambda: not cell.store.rt_bus().slaves[4].lost, "it is back")
        return bool(cell.store.rt_bus().slaves[3].lost_links)

    wait_for(counted, "damaged frames are counted")
    wait_for(link_counted, "and links that were lost")
