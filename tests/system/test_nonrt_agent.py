"""Non-RT slow, silent or dead while the axes move: RT reacts as the policy says, and the cell goes on."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack.ha.monitor.history_keeper import read_history
from tests.system.running_cell import RunningCell, wait_for
from tests.system.stops import Watch, motors_stopped_along_the_ramp

PASS_MS = 20
"""Non-RT beats once a supervision pass."""

pytestmark = pytest.mark.system


def nonrt_history(cell: RunningCell) -> dict[str, Any]:
    history = cell.status()[1]["history"]
    found: dict[str, Any] = history["processes"].get("fieldstack-nonrt", {})
    return found


def halted(cell: RunningCell, seconds: float) -> None:
    """SIGSTOP for so long, and on."""
    pid = cell.pid("nonrt")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)  # the fault itself: there is nothing to wait for
    os.kill(pid, signal.SIGCONT)


def test_a_slow_one_stops_nothing_and_is_told(cell: RunningCell) -> None:
    cell.await_motion()
    rt, since = cell.pid("rt"), cell.last_event()
    halted(cell, 0.2)  # nonrt_slow_ms 60, nonrt_timeout_ms 500
    cell.await_event(since, EventKind.RT, code="nonrt_slow")
    cell.await_passes(10)
    codes = [event.data.get("code") for event in cell.events(since, EventKind.RT)]
    assert "nonrt_silent" not in codes
    assert "nonrt_dead" not in codes
    assert cell.snapshot()["ha"]["state"] == "OPERATIONAL"
    assert cell.pid("rt") == rt
    kept = nonrt_history(cell)
    assert kept["delay_ms"]["max"] >= 190, "the delay is kept as history"


def test_a_silent_one_stops_the_axes_and_the_cell_goes_on_when_it_is_back(cell: RunningCell) -> None:
    cell.await_motion()
    before, epoch, since = cell.snapshot(), cell.store.rt_epoch, cell.last_event()
    watch, pid = Watch.in_motion(cell), cell.pid("nonrt")
    os.kill(pid, signal.SIGSTOP)
    try:
        cell.await_snapshot(lambda s: s["motion"]["stop_reason"] == "NONRT_SILENT", "RT misses Non-RT")
        cell.await_stand()
    finally:
        os.kill(pid, signal.SIGCONT)
    silent = cell.await_event(since, EventKind.PROCESS_DETECTED, process="fieldstack-nonrt")
    assert silent.data["condition"] == "silent"
    assert silent.data["took_ms"] >= 500 - PASS_MS - 10, "it may have stopped between its stamp and its beat"
    motors_stopped_along_the_ramp(cell, watch, since_ns=silent.t_ns, any_speed=True)
    cell.await_motion()
    after = cell.snapshot()
    assert [after[name]["pid"] for name in ("rt", "nonrt", "core")] == [
        before[name]["pid"] for name in ("rt", "nonrt", "core")
    ]
    assert cell.store.rt_epoch == epoch


def test_a_dead_one_comes_back_and_its_history_outlives_it(cell: RunningCell) -> None:
    cell.await_motion()
    rt, pid, since = cell.pid("rt"), cell.pid("nonrt"), cell.last_event()
    os.kill(pid, signal.SIGKILL)
    found = cell.await_event(since, EventKind.PROCESS_DETECTED, process="fieldstack-nonrt")
    assert (found.data["condition"], found.data["pid"]) == ("dead", pid)
    cell.await_motion()
    assert cell.pid("rt") == rt
    assert nonrt_history(cell)["detections"] == {"dead": 1}
    os.kill(cell.pid("nonrt"), signal.SIGKILL)
    wait_for(lambda: nonrt_history(cell)["detections"] == {"dead": 2}, "the second death is added")
    cell.await_operational()
    assert cell.pid("rt") == rt
    assert cell.end() == 0
    kept = read_history(cell.instance.state_dir)
    assert kept is not None
    assert kept["processes"]["fieldstack-nonrt"]["detections"] == {"dead": 2}


def test_both_killed_in_the_same_instant_come_back_from_the_checkpoint(cell: RunningCell) -> None:
    cell.await_motion()
    rt, nonrt, since = cell.pid("rt"), cell.pid("nonrt"), cell.last_event()
    for pid in (rt, nonrt):
        os.kill(pid, signal.SIGSTOP)  # nothing of theirs runs between the two kills
    for pid in (rt, nonrt):
        os.kill(pid, signal.SIGKILL)
    wait_for(cell.all_safe, "the drives' watchdogs, or a new guard, made the outputs safe")
    restored = cell.await_event(since, EventKind.CHECKPOINT_RESTORED)
    assert restored.data["generation"] > 0
    cell.await_event(since, EventKind.RT, code="positions_checked")
    cell.await_motion()
    assert cell.pid("rt") != rt
    assert not cell.snapshot()["estop"]["latched"]
