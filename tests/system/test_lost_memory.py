"""The shared memory is damaged, removed or replaced under a living RT process, which is looked for first."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore, memory
from fieldstack_rt.datastore.memory import process_alive
from tests.system.running_cell import RunningCell, wait_for
from tests.system.stops import Watch, outputs_became_safe

pytestmark = pytest.mark.system

ENDS_WITHIN_S = 3.0
"""The look every 100 ms, the longest ramp of the demo's axes, SAFE-OP and INIT: more than twice that."""


def file_of(cell: RunningCell) -> Path:
    return memory.file_of(cell.instance.shm_name)


def nobody_is_under_power(cell: RunningCell) -> bool:
    return all(slave.al_state & 0x0F != AlState.OP for slave in cell.segment.truth())


@pytest.mark.parametrize("damage", ["layout_hash", "all"])
def test_a_damaged_header_costs_nobody_the_memory(cell: RunningCell, damage: str) -> None:
    """RT's own look mends it, or the Non-RT process that comes: the RT process is adopted, and guarded."""
    cell.await_motion()
    rt, nonrt, inode, since = (
        cell.pid("rt"),
        cell.pid("nonrt"),
        file_of(cell).stat().st_ino,
        cell.last_event(),
    )
    raw = cell.store.raw
    if damage == "all":
        ffi.memmove(ffi.addressof(raw, "header"), bytes(ffi.sizeof("fs_header")), ffi.sizeof("fs_header"))
    else:
        setattr(raw.header, damage, 0x1234)
    os.kill(nonrt, signal.SIGKILL)
    cell.await_event(since, EventKind.NONRT_STARTED)
    wait_for(lambda: lib.fs_header_is_whole(raw), "the header is mended")
    cell.await_operational()
    assert (cell.pid("rt"), file_of(cell).stat().st_ino) == (rt, inode)
    assert int(raw.header.rt_pid) == rt
    trips = cell.store.guard_status().trips
    os.kill(rt, signal.SIGKILL)
    wait_for(lambda: cell.store.guard_status().trips > trips, "the guard watches it as before")


def test_one_that_was_removed_ends_in_order_and_begins_anew(cell: RunningCell) -> None:
    cell.await_motion()
    rt, inode, since, watch = (
        cell.pid("rt"),
        file_of(cell).stat().st_ino,
        cell.last_event(),
        Watch.now(cell.segment),
    )
    memory.unlink(cell.instance.shm_name)
    wait_for(lambda: not process_alive(rt), "RT ends", ENDS_WITHIN_S)
    cell.await_event(since, EventKind.NONRT_STARTED)
    outputs_became_safe(cell, watch)
    cell.await_operational()
    assert file_of(cell).stat().st_ino != inode
    assert any("removed under its cell" in event.text for event in cell.events(since))


def test_rt_alone_ends_in_order_when_its_memory_is_replaced(cell: RunningCell) -> None:
    """Nobody is there to guard it: no Non-RT process, and a stop latched in the new memory is not seen."""
    cell.await_motion()
    rt, core, watch = cell.pid("rt"), cell.pid("core"), Watch.now(cell.segment)
    cell.up.send_signal(signal.SIGSTOP)
    os.kill(cell.pid("nonrt"), signal.SIGKILL)
    memory.unlink(cell.instance.shm_name)
    other = memory._make(cell.instance.shm_name)
    begin_s = time.monotonic()
    said = cell.command("estop", "--reason", "hand in the machine")
    assert said.returncode in (0, 5)
    if said.returncode == 0:
        assert "outputs are safe" in said.stdout
    assert nobody_is_under_power(cell) or "NOT CONFIRMED" in said.stderr, (said.stdout, said.stderr)
    wait_for(lambda: not process_alive(rt), "RT ends", ENDS_WITHIN_S)
    wait_for(lambda: not process_alive(core), "Core ends", ENDS_WITHIN_S)
    assert time.monotonic() - begin_s < 60
    assert nobody_is_under_power(cell)
    outputs_became_safe(cell, watch)
    cell.up.send_signal(signal.SIGCONT)
    cell.await_snapshot(lambda s: s["nonrt"]["state"] == "running", "Non-RT is back")
    assert file_of(cell).stat().st_ino == other.inode, "the next one adopts what is there"
    assert DataStore.attach(cell.instance).estop.state().latched
