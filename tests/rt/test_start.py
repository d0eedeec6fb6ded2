"""What has stopped an axis may go away: motion begins by a start given after it, and by nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from fieldstack_base.instance import Instance
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import Clear, EstopSource, EventCode, StartKind
from fieldstack_rt.datastore.layout import AxisMode, Stop, StreamState
from tests.rt.rt_cell import RtCell, rt_cell, wait_for

ALL = 0b1111


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance) as found:
        yield found


def _status(cell: RtCell) -> Any:
    return cell.store.rt_status()


def _permit(cell: RtCell) -> None:
    cell.store.motion_permit = False
    wait_for(lambda: _status(cell).stop_reason == Stop.PERMIT, "the axes stop")
    cell.store.motion_permit = True


def _estop(cell: RtCell) -> None:
    cell.store.estop.raise_(EstopSource.OPERATOR, "test", until=Clear.ON_RESET)
    wait_for(lambda: _status(cell).stop_reason == Stop.ESTOP, "the axes stop")
    cell.store.estop.clear(EstopSource, Clear.ON_RESET)


def _fault(cell: RtCell) -> None:
    cell.segment.client.drive_fault(1, 0x2310)
    wait_for(lambda: _status(cell).stop_reason == Stop.AXIS_FAULT, "the axes stop")
    cell.store.request_fault_reset()


def _cable(cell: RtCell) -> None:
    cell.segment.client.cut_cable(2)
    wait_for(lambda: _status(cell).stop_reason == Stop.WKC, "the axes stop")
    wait_for(lambda: _status(cell).await_reasons[0] >> Stop.SLAVE_LOST & 1, "the loss of slaves is among it")
    cell.segment.client.heal_cable()


def _silence(cell: RtCell) -> None:
    cell.beating.clear()
    wait_for(lambda: _status(cell).stop_reason == Stop.NONRT_SILENT, "the axes stop")
    cell.beating.set()


CAUSES: dict[Stop, Callable[[RtCell], None]] = {
    Stop.PERMIT: _permit,
    Stop.ESTOP: _estop,
    Stop.AXIS_FAULT: _fault,
    Stop.SLAVE_LOST: _cable,
    Stop.NONRT_SILENT: _silence,
}


def _stream(cell: RtCell, number: int) -> None:
    """Axis 0 is to go 300 counts, slowly."""
    targets = [int(_status(cell).axes[axis].target) for axis in range(4)]
    for step in range(1, 301):
        cell.store.setpoints.push(
            number, [targets[0] + step, *targets[1:]], [1000, 0, 0, 0], last=step == 300
        )


def _passed(cell: RtCell, cycle: int) -> bool:
    return int(_status(cell).cycle) > cycle


def _waits(cell: RtCell) -> bool:
    status = _status(cell)
    return bool(status.stop_reason == Stop.START and status.axes_await_start == ALL)


@pytest.mark.system
@pytest.mark.parametrize("cause", CAUSES, ids=[cause.name for cause in CAUSES])
def test_when_the_cause_has_gone_the_axes_hold_and_wait(cell: RtCell, cause: Stop) -> None:
    CAUSES[cause](cell)
    wait_for(lambda: _waits(cell), "they wait for a start")
    wait_for(lambda: all(_status(cell).axes[i].state == AxisMode.HOLDING for i in range(4)), "under power")
    assert _status(cell).await_reasons[0] >> cause & 1
    assert 0 < _status(cell).await_since_ns[0] < _status(cell).cycle_ns
    stood = [slave.position for slave in cell.segment.client.truth()[:4]]
    _stream(cell, 1)
    cycle = int(_status(cell).cycle)
    wait_for(lambda: _status(cell).cycle > cycle + 500, "cycles pass")
    assert [slave.position for slave in cell.segment.client.truth()[:4]] == stood
    assert _status(cell).stream != 1
    cell.start()
    wait_for(lambda: _status(cell).stream_state == StreamState.ENDED, "the stream is played")
    assert _status(cell).await_since_ns[0] == _status(cell).await_reasons[0] == 0
    assert cell.seen(EventCode.START)


@pytest.mark.system
def test_a_start_before_the_stop_is_none_after_it(cell: RtCell) -> None:
    before = _status(cell)
    _permit(cell)
    wait_for(lambda: _waits(cell), "they wait for a start")
    sequence = cell.store.order_start(before, ALL)
    wait_for(lambda: _status(cell).start_taken == sequence, "RT has taken it")
    assert _waits(cell)


@pytest.mark.system
def test_while_something_else_holds_them_a_start_is_lost(cell: RtCell) -> None:
    cell.store.motion_permit = False
    wait_for(lambda: _status(cell).stop_reason == Stop.PERMIT, "the axes stop")
    cell.start()
    cell.store.motion_permit = True
    wait_for(lambda: _waits(cell), "they wait for a start")


@pytest.mark.system
def test_a_damaged_or_foreign_order_starts_nothing(cell: RtCell) -> None:
    """Each word of a whole order changed in turn; and garbage in all of them."""
    _permit(cell)
    wait_for(lambda: _waits(cell), "they wait for a start")
    cell.store.order_start(_status(cell), 0)  # nothing is meant by it, but its sequence counts
    wait_for(lambda: _status(cell).start_taken > 1, "it is taken")
    taken = int(_status(cell).start_taken)
    good = cell.store.new("fs_start")
    good.sequence, good.rt_epoch, good.axes, good.kind = taken + 1, _status(cell).epoch, ALL, StartKind.GO
    good.seen_cycle = _status(cell).cycle
    good.checksum = lib.fs_checksum(good, ffi.sizeof("fs_start"))
    image = bytes(ffi.buffer(good, ffi.sizeof("fs_start")))
    for at in range(len(image)):
        bad = cell.store.new("fs_start")
        ffi.buffer(bad)[:] = image[:at] + bytes([image[at] ^ 0x40]) + image[at + 1 :]
        lib.fs_block_write(cell.store.raw, lib.FS_BLOCK_START, bad)
        cycle = int(_status(cell).cycle)
        wait_for(partial(_passed, cell, cycle + 2), "cycles pass")
        assert _waits(cell)
    foreign = cell.store.new("fs_start")
    ffi.buffer(foreign)[:] = image
    foreign.rt_epoch, foreign.checksum = foreign.rt_epoch + 1, 0
    foreign.checksum = lib.fs_checksum(foreign, ffi.sizeof("fs_start"))
    lib.fs_block_write(cell.store.raw, lib.FS_BLOCK_START, foreign)
    cycle = int(_status(cell).cycle)
    wait_for(lambda: _status(cell).cycle > cycle + 2, "cycles pass")
    assert _waits(cell)
    assert _status(cell).start_taken == taken
    lib.fs_block_write(cell.store.raw, lib.FS_BLOCK_START, good)
    wait_for(lambda: _status(cell).stop_reason == Stop.NONE, "the whole one starts them")


@pytest.mark.system
def test_axes_that_are_told_to_wait_do(cell: RtCell) -> None:
    """Without the axes being stopped by anything: so that what ended before does not go on after a pause."""
    sequence = cell.store.order_start(_status(cell), ALL, StartKind.WAIT)
    wait_for(lambda: _status(cell).start_taken == sequence, "RT has taken it")
    assert _waits(cell)
    assert not cell.seen(EventCode.STOP_REASON) or _status(cell).await_reasons[0] == 1 << Stop.START
    cell.wait_until_free_to_move()


@pytest.mark.system
def test_after_a_restart_of_rt_all_axes_wait(cell: RtCell) -> None:
    cell.rt.kill()
    cell.rt.wait()
    epoch = cell.store.rt_epoch
    cell.start_rt()
    wait_for(lambda: cell.store.rt_epoch > epoch, "a new RT process has the bus")
    cell.store.estop.clear(EstopSource, Clear.ON_RECOVERY)
    wait_for(lambda: _status(cell).epoch > epoch and _waits(cell), "its axes wait")
    cell.wait_until_free_to_move()


@pytest.mark.system
def test_plain_outputs_wait_with_the_axes(cell: RtCell) -> None:
    targets = [int(_status(cell).axes[axis].target) for axis in range(4)]
    for _ in range(50):
        cell.store.setpoints.push(1, targets, [0] * 4, b"\x05")
    wait_for(lambda: cell.segment.client.truth()[-1].digital_outputs == 5, "outputs are on")
    _permit(cell)
    wait_for(lambda: _waits(cell), "the axes wait")
    wait_for(lambda: cell.segment.client.truth()[-1].digital_outputs == 0, "outputs are off")
    cycle = int(_status(cell).cycle)
    wait_for(lambda: _status(cell).cycle > cycle + 50, "cycles pass")
    assert cell.segment.client.truth()[-1].digital_outputs == 0
