"""Axes that a person has to hold follow only while that is renewed: the cycle itself sees to it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fieldstack_base.instance import Instance
from fieldstack_rt._native import lib
from fieldstack_rt.datastore import EventCode
from fieldstack_rt.datastore.layout import AxisMode, Stop, StreamState
from fieldstack_rt.datastore.rings import ALL_AXES
from tests.rt.rt_cell import RtCell, rt_cell, wait_for

HELD, OTHER = 0, 1
SPEED = 50_000
DT = 0.001
RENEWED_NS = 150_000_000
LATE_NS = 50_000_000
"""What a busy machine may hold up a cycle."""


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance) as found:
        yield found


class Stream:
    """The held axis and another one go at a steady speed; pushed ahead of the cycle, without end."""

    def __init__(self, cell: RtCell, number: int) -> None:
        self._cell, self._number, self._pushed = cell, number, 0
        status = cell.store.rt_status()
        self._start = [int(status.axes[i].target) for i in range(len(cell.plan.axes))]

    def push(self, count: int, *, other: bool = True, axes: int = ALL_AXES) -> None:
        for _ in range(count):
            at, speed = list(self._start), [0] * len(self._start)
            for axis in (HELD, *([OTHER] if other else [])):
                at[axis] += round(self._pushed * SPEED * DT)
                speed[axis] = SPEED
            self._pushed += self._cell.store.setpoints.push(
                self._number, at, speed, axes=axes, hold_to_run=1 << HELD
            )


def _plays(cell: RtCell, axis: int) -> bool:
    return bool(cell.store.rt_status().axes_playing >> axis & 1)


def _stopped(cell: RtCell) -> list[int]:
    return [event.t_ns for event in cell.drain() if event.code == EventCode.HOLD_ENDED]


@pytest.mark.system
def test_it_stands_when_nobody_renews_it_whatever_is_planned_ahead(cell: RtCell) -> None:
    until = cell.store.hold_to_run_ns = time.monotonic_ns() + RENEWED_NS
    Stream(cell, 1).push(1000)
    wait_for(lambda: _stopped(cell), "the held axis comes to a stand")
    (at,) = _stopped(cell)
    assert until <= at < until + LATE_NS
    assert _plays(cell, OTHER)
    wait_for(lambda: cell.store.rt_status().axes[HELD].state == AxisMode.HOLDING, "it holds")
    deceleration = cell.plan.axes[HELD].quick_stop_deceleration_counts_s2
    status = cell.store.rt_status()
    assert status.axes[HELD].target <= SPEED * ((RENEWED_NS + LATE_NS) / 1e9 + SPEED / deceleration)
    assert not _plays(cell, HELD)


@pytest.mark.system
def test_while_it_is_renewed_it_goes_and_no_word_holds_it_for_long(cell: RtCell) -> None:
    stream = Stream(cell, 1)
    stream.push(200)
    wait_for(lambda: _stopped(cell), "without any renewal it does not even begin")
    assert cell.store.rt_status().axes[HELD].target_velocity == 0
    wait_for(lambda: cell.store.rt_status().stream_state != StreamState.PLAYING, "the stream ends")
    cell.events.clear()
    stream = Stream(cell, 2)
    for _ in range(30):
        cell.store.hold_to_run_ns = time.monotonic_ns() + RENEWED_NS
        stream.push(30, other=False)
        time.sleep(0.02)
    assert _plays(cell, HELD)
    assert not _stopped(cell)
    cell.store.hold_to_run_ns = time.monotonic_ns() + 2 * lib.FS_LONGEST_HOLD_NS
    wait_for(lambda: _stopped(cell), "a word from damaged memory holds nothing")
    wait_for(lambda: cell.store.rt_status().axes[HELD].state == AxisMode.HOLDING, "it holds")


@pytest.mark.system
def test_while_axes_wait_for_a_start_a_held_axis_goes_and_no_other(cell: RtCell) -> None:
    cell.store.motion_permit = False
    wait_for(lambda: cell.store.rt_status().stop_reason == Stop.PERMIT, "the permit is gone")
    cell.store.motion_permit = True
    wait_for(lambda: cell.store.rt_status().stop_reason == Stop.START, "the axes wait for a start")
    cell.store.hold_to_run_ns = time.monotonic_ns() + RENEWED_NS
    begun = int(cell.store.rt_status().axes[HELD].target)
    Stream(cell, 1).push(1000, other=False, axes=1 << HELD)
    wait_for(lambda: cell.store.rt_status().axes[HELD].target > begun, "the held axis goes")
    status = cell.store.rt_status()
    assert (status.axes_playing, status.axes[HELD].stop, status.axes[OTHER].stop) == (
        1 << HELD,
        0,
        Stop.START,
    )
    wait_for(lambda: _stopped(cell), "it is not held any longer")
    wait_for(lambda: cell.store.rt_status().axes[HELD].state == AxisMode.HOLDING, "it stands")
    stood = int(cell.store.rt_status().axes[HELD].target)
    cell.store.hold_to_run_ns = time.monotonic_ns() + RENEWED_NS
    Stream(cell, 2).push(20)
    cycles = cell.store.rt_status().cycle
    wait_for(lambda: cell.store.rt_status().cycle > cycles + 50, "cycles")
    assert cell.store.rt_status().stop_reason == Stop.START
    assert cell.store.rt_status().stream == 1, "what commands another axis, too, is not begun"
    assert cell.store.rt_status().axes[HELD].target == stood
    assert not cell.store.rt_status().axes_playing
    cell.start()
    wait_for(lambda: cell.store.rt_status().stream == 2, "after a start it is")
    assert not cell.seen(EventCode.AXIS_RUNS_ON), "that it went was no stop that was ignored"


@pytest.mark.system
def test_setpoints_for_outputs_alone_wait_for_the_start_too(cell: RtCell) -> None:
    """They command no axis: outputs are not live meanwhile, and their step would count as done."""
    cell.store.motion_permit = False
    wait_for(lambda: cell.store.rt_status().stop_reason == Stop.PERMIT, "the permit is gone")
    cell.store.motion_permit = True
    wait_for(lambda: cell.store.rt_status().stop_reason == Stop.START, "the axes wait for a start")
    count = len(cell.plan.axes)
    at = [int(cell.store.rt_status().axes[i].target) for i in range(count)]
    for _ in range(20):
        cell.store.setpoints.push(1, at, [0] * count, b"\x01", axes=0)
    cycles = cell.store.rt_status().cycle
    wait_for(lambda: cell.store.rt_status().cycle > cycles + 50, "cycles")
    assert cell.store.setpoints.queued == 20
    cell.start()
    wait_for(lambda: cell.store.setpoints.queued == 0, "after a start they are played")
