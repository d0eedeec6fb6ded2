"""Single stray words in a whole cell: RT, and what it moves, goes on; and a hang is known all the same.

A young RT process is judged by its start-up grace, so that one has to be over: here it is short.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from fieldstack.bench.failover.stray_words import StrayWrite, all_stray_writes
from fieldstack.events.kinds import EventKind
from fieldstack.ha.model.actions import Step
from fieldstack_rt._native import lib
from fieldstack_rt.datastore.layout import TripCause
from tests.system.running_cell import RunningCell, StartCell, policy_file, wait_for
from tests.system.stops import Watch, motion_was_smooth, watchdogs_that_expired

pytestmark = pytest.mark.system

GRACE_MS = 1500
OLD_S = 2.0
"""From the cell's first motion: then RT is older than its grace."""
TORN_S = 0.3
STOPPING, STOPPED = 3, 4


def _short_grace(policy: dict[str, Any]) -> None:
    for section in policy["processes"]:
        section["startup_grace_ms"] = GRACE_MS


@pytest.fixture
def old_cell(start_cell: StartCell, tmp_path: Path) -> RunningCell:
    """A cell in motion whose RT process is past its start-up grace."""
    cell = start_cell(policy=policy_file(tmp_path, _short_grace))
    cell.await_motion()
    time.sleep(OLD_S)
    cell.await_motion()
    return cell


def _await_pass(cell: RunningCell) -> None:
    """By its record: the beat may be the damaged word."""
    at_ns = time.monotonic_ns()
    wait_for(lambda: cell.store.nonrt_status().pass_ns > at_ns, "Non-RT supervises")


def _hang(cell: RunningCell, stray: StrayWrite) -> None:
    """RT is stopped while the word is damaged; the cell comes back by itself."""
    watch = Watch.in_motion(cell)
    since, trips = cell.last_event(), cell.store.guard_status().trips
    os.kill(cell.store.rt_pid, signal.SIGSTOP)
    stray.write(cell.store)
    wait_for(lambda: cell.store.guard_status().trips == trips + 1, f"the guard trips in spite of {stray}")
    assert cell.store.guard_status().cause in (TripCause.SILENT, TripCause.CORRUPT)
    assert watchdogs_that_expired(cell, watch) == [], "the guard has to be quicker than they"
    cell.await_event(since, EventKind.RECOVERY_STEP, step=Step.RECOVERED)


def test_no_stray_word_ends_rt_and_none_hides_a_hang(old_cell: RunningCell) -> None:
    cell = old_cell
    pid, since, watch = cell.pid("rt"), cell.last_event(), Watch.in_motion(cell)
    for stray in all_stray_writes():
        stray.write(cell.store)
        _await_pass(cell)
        assert cell.store.guard_status().trips == 0, stray
    for block in (lib.FS_BLOCK_RT_BUS, lib.FS_BLOCK_RT_STATUS, lib.FS_BLOCK_GUARD_STATUS):
        until = time.monotonic() + TORN_S
        while time.monotonic() < until:
            lib.fs_block_tear(cell.store.raw, block)
    cell.await_motion()
    assert cell.pid("rt") == pid
    assert cell.events(since, EventKind.GUARD_TRIPPED) == []
    assert cell.events(since, EventKind.PROCESS_ENDED) == []
    assert watchdogs_that_expired(cell, watch) == []
    motion_was_smooth(cell, watch)

    for value in (STOPPING, STOPPED):
        _hang(cell, StrayWrite("rt_phase", value))
