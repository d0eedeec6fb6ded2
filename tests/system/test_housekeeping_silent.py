"""RT's Python thread stands still while its cycle runs on: noticed, stopped under control, started again."""

from __future__ import annotations

import time

import pytest

from fieldstack.bench.failover.stopped_thread import stopped_thread
from fieldstack.events.kinds import EventKind
from tests.system.running_cell import RunningCell, wait_for

pytestmark = pytest.mark.system

NOTICED_NS = 1_000_000_000
"""500 ms of silence, 300 ms of patience, and passes of supervision."""
SLACK_NS = 1_000_000_000
"""What a busy machine may keep the supervision back."""


def test_a_silent_housekeeping_stops_the_axes_and_rt_is_started_anew(cell: RunningCell) -> None:
    cell.await_motion()
    pid, since = cell.pid("rt"), cell.last_event()
    stopped_ns = time.monotonic_ns()
    with stopped_thread(pid) as thread:
        alert = cell.await_event(since, EventKind.ALERT, rule="rt-housekeeping-silent")
        assert alert.t_ns - stopped_ns < NOTICED_NS + SLACK_NS
        beat = cell.store.rt_beat
        wait_for(lambda: cell.store.rt_beat > beat, "the cycle ran on")
        cell.await_stand()
        assert cell.snapshot()["rt"]["pid"] == pid, "they stood before it was ended"
        wait_for(thread.reap, "it is ended")
    wait_for(lambda: cell.snapshot()["rt"]["pid"] not in (None, pid), "RT is started again")
    cell.await_operational()
