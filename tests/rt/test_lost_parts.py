"""A slave of a non-essential group that stays lost: the guard confirms the others, the counter is good."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from fieldstack_base.instance import Instance
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt.datastore import counter_is_good
from fieldstack_rt.datastore.layout import AxisMode, Stop, WkcVerdict
from tests.rt.rt_cell import RtCell, rt_cell, wait_for

GROUPS = """
loss_diagnosis_ms: 500
groups:
  - {name: tool, axes: [c], slaves: [dio], essential: false}
"""
DRIVE, TERMINAL = 3, 4
REFUSED = 0x001B
"""AL status code: sync manager watchdog."""


PTRACE_ATTACH = 16


def hold_main_thread(pid: int) -> None:
    """The cycle thread goes on."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.ptrace(PTRACE_ATTACH, pid, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(pid, 0)


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance, groups=GROUPS) as found:
        yield found


def _status(cell: RtCell) -> Any:
    return cell.store.rt_status()


def _al_states(cell: RtCell) -> list[int]:
    return [int(slave.al_state) & 0x0F for slave in cell.store.rt_bus().slaves[0:5]]


def _after_cycles(cell: RtCell, count: int) -> Any:
    cycle = int(_status(cell).cycle)
    wait_for(lambda: _status(cell).cycle > cycle + count, f"{count} cycles pass")
    return _status(cell)


@pytest.mark.system
def test_a_slave_stuck_in_safe_op_is_explained_and_the_guard_confirms_it_as_well(cell: RtCell) -> None:
    full = int(_status(cell).full_wkc)
    assert _status(cell).wkc_verdict == WkcVerdict.WHOLE
    cell.segment.client.refuse_state(DRIVE, AlState.OP, REFUSED)
    cell.segment.client.power_off(DRIVE)
    wait_for(lambda: cell.store.rt_bus().slaves[DRIVE].lost, "it is told lost")
    cell.segment.client.power_on(DRIVE)
    wait_for(lambda: _al_states(cell) == [8, 8, 8, 4, 8], "it stays in SAFE-OP, the terminal is back")
    wait_for(lambda: _status(cell).wkc == _status(cell).expected_wkc == full - 2, "its inputs count", 5.0)
    errors = int(_status(cell).wkc_errors)
    status = _after_cycles(cell, 200)
    assert status.wkc_verdict == WkcVerdict.EXCUSED
    assert counter_is_good(status)
    assert (status.stop_reason, int(status.wkc_errors)) == (Stop.NONE, errors)
    os.kill(cell.rt.pid, signal.SIGKILL)
    wait_for(lambda: cell.store.guard_status().confirmed_ns, "each slave's own word is read back")
    assert cell.store.guard_status().absent == 0


@pytest.mark.system
def test_the_guard_confirms_those_that_answered_without_those_that_rt_had_told_lost(cell: RtCell) -> None:
    cell.segment.client.power_off(DRIVE)
    wait_for(lambda: cell.store.rt_bus().slaves[TERMINAL].lost, "both are told lost")
    wait_for(lambda: _status(cell).wkc_verdict == WkcVerdict.EXCUSED, "that explains the counter")
    _after_cycles(cell, 20)
    os.kill(cell.rt.pid, signal.SIGKILL)
    wait_for(lambda: cell.store.guard_status().confirmed_ns, "the others are read back")
    assert cell.store.guard_status().absent == 2


@pytest.mark.system
def test_a_slave_that_went_silent_with_rt_is_not_taken_for_safe(cell: RtCell) -> None:
    hold_main_thread(cell.rt.pid)
    cell.segment.client.power_off(DRIVE)
    wait_for(
        lambda: _status(cell).wkc_verdict == WkcVerdict.LOW, "the cycle sees it, and nobody tells the guard"
    )
    os.kill(cell.rt.pid, signal.SIGKILL)
    wait_for(lambda: cell.store.guard_status().safe_frames > 50, "safe frames are sent")
    assert cell.store.guard_status().confirmed_ns == 0
    cell.store.raw.guard_losses[0].absent[0] = cell.store.raw.guard_losses[1].absent[0] = 0b11000
    sent = int(cell.store.guard_status().safe_frames)
    wait_for(lambda: cell.store.guard_status().safe_frames > sent + 20, "more are sent")
    assert cell.store.guard_status().confirmed_ns == 0, "damage excuses nobody"


@pytest.mark.system
def test_rt_comes_up_without_its_tool_and_takes_it_in_when_it_is_back(cell: RtCell) -> None:
    cell.segment.client.power_off(DRIVE)
    wait_for(lambda: cell.store.rt_bus().slaves[TERMINAL].lost, "both are told lost")
    os.kill(cell.rt.pid, signal.SIGKILL)
    wait_for(lambda: cell.store.guard_status().released_ns or cell.store.guard_status().confirmed_ns, "safe")
    cell.recover()
    status = _status(cell)
    assert status.wkc_verdict == WkcVerdict.EXCUSED
    assert (status.axes_lost, status.full_wkc - status.expected_wkc) == (0b1000, 6)
    assert [int(status.axes[i].state) for i in range(3)] == [AxisMode.HOLDING] * 3
    cell.segment.client.power_on(DRIVE)
    wait_for(lambda: _status(cell).wkc_verdict == WkcVerdict.WHOLE, "the slaves take part", 15.0)
    wait_for(lambda: _status(cell).axes[3].state == AxisMode.HOLDING, "c holds under power")
    wait_for(lambda: _al_states(cell) == [8] * 5, "all in OP")
