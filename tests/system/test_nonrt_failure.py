"""The Non-RT process dies while the axes move: RT stops them in a controlled way and outlives it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack_ethercat.segment.truth import EventKind as SegmentEvent
from fieldstack_rt._native import lib
from tests.system.running_cell import RunningCell, wait_for
from tests.system.stops import Watch, motors_stopped_along_the_ramp, outputs_became_safe

pytestmark = pytest.mark.system

QUICK = {"rt": {"nonrt_timeout_ms": 100}}
"""Axes stop before a restarted Non-RT process can be back."""


@contextmanager
def without_nonrt(cell: RunningCell) -> Iterator[None]:
    """The Non-RT process is killed, and nobody starts it again before the block is over."""
    cell.up.send_signal(signal.SIGSTOP)
    os.kill(cell.pid("nonrt"), signal.SIGKILL)
    try:
        yield
    finally:
        cell.up.send_signal(signal.SIGCONT)


def left_op(cell: RunningCell, watch: Watch) -> list[int]:
    """Slaves whose AL state changed after the watch began."""
    return [
        slave
        for slave in range(len(watch.events))
        if any(e.kind is SegmentEvent.AL_STATE for e in watch.events_of(cell.segment, slave))
    ]


def test_rt_stops_the_axes_is_adopted_and_they_go_on(start_cell: Any) -> None:
    cell = start_cell(**QUICK)
    cell.await_motion()
    before, epoch, since = cell.snapshot(), cell.store.rt_epoch, cell.last_event()
    watch = Watch.in_motion(cell)
    with without_nonrt(cell):
        cell.await_snapshot(lambda s: s["motion"]["stop_reason"] == "NONRT_DEAD", "RT knows of its death")
        cell.await_stand()
        code, status = cell.status()
        assert code == 7
        assert (status["nonrt"]["state"], status["rt"]["state"]) == ("dead", "running")
        assert (status["ha"]["state"], status["operational"]) == ("UNSUPERVISED", False)
        assert (status["ha"]["last_state"], status["live"]) == ("OPERATIONAL", True)
        assert set(status["bus"]["al_states"]) == {"OP"}
    cell.await_event(since, EventKind.PROCESS_ADOPTED, process="fieldstack-rt")
    dead = cell.await_event(since, EventKind.RT, code="nonrt_dead")
    motors_stopped_along_the_ramp(cell, watch, since_ns=dead.t_ns, any_speed=True)
    cell.await_motion()
    after = cell.snapshot()
    assert after["nonrt"]["pid"] != before["nonrt"]["pid"]
    assert after["rt"]["pid"] == before["rt"]["pid"]
    assert after["core"]["pid"] == before["core"]["pid"]
    assert cell.store.rt_epoch == epoch
    assert left_op(cell, watch) == [], "the bus was not started again"


def test_what_a_person_latched_outlives_it_and_may_be_raised_without_it(start_cell: Any) -> None:
    cell = start_cell(**QUICK)
    cell.await_operational()
    rt, watch = cell.pid("rt"), Watch.in_motion(cell)
    with without_nonrt(cell):
        stopped = cell.command("estop", "--reason", "hand in the machine")
        assert (stopped.returncode, "all axes stand after" in stopped.stdout) == (0, True)
        wait_for(cell.all_safe, "outputs are safe")
        outputs_became_safe(cell, watch)
        refused = cell.command("reset")
        assert (refused.returncode, "does not answer" in refused.stderr) == (5, True)
    cell.await_snapshot(lambda s: s["nonrt"]["state"] == "running", "Non-RT is back")
    cell.await_passes(20)
    kept = cell.snapshot()
    assert [source["source"] for source in kept["estop"]["sources"]] == ["OPERATOR"]
    assert "hand in the machine" in kept["ha"]["reason"]
    assert (kept["ha"]["state"], kept["rt"]["pid"]) == ("SAFE_MODE", rt)
    assert cell.all_safe()
    cell.reset_and_start()
    cell.await_motion()
    assert cell.pid("rt") == rt


@pytest.mark.parametrize("order", [("nonrt", "rt"), ("rt", "nonrt")], ids="-then-".join)
def test_both_die_at_once(cell: RunningCell, order: tuple[str, str]) -> None:
    pids = {name: cell.pid(name) for name in order}
    watch = Watch.in_motion(cell)
    for name in order:
        os.kill(pids[name], signal.SIGKILL)
    cell.await_snapshot(lambda s: s["nonrt"]["pid"] not in (None, pids["nonrt"]), "Non-RT is back")
    outputs_became_safe(cell, watch)
    motors_stopped_along_the_ramp(cell, watch)
    cell.await_motion()
    assert cell.pid("rt") != pids["rt"]
    assert not cell.snapshot()["estop"]["latched"]


OF_NONRT = ("nonrt_status", "guard_status", "checkpoint", "bus_command")
READ_BY_IT = ("core_status", "rt_bus", "guard_plan")


def test_what_is_torn_keeps_no_successor_from_starting(cell: RunningCell) -> None:
    """Records that it was writing when it died, and such that it reads at its start: one start, not two."""
    rt, first = cell.pid("rt"), cell.last_event()
    for torn in (OF_NONRT, READ_BY_IT):
        since, nonrt = cell.last_event(), cell.pid("nonrt")
        os.kill(nonrt, signal.SIGSTOP)
        for block in torn:
            lib.fs_block_tear(cell.store.raw, getattr(lib, f"FS_BLOCK_{block.upper()}"))
        os.kill(nonrt, signal.SIGKILL)
        cell.await_event(since, EventKind.NONRT_STARTED)
        cell.await_operational()
    assert cell.output().count("Non-RT started again") == 2, "none of them ended by itself"
    told = " ".join(event.text for event in cell.events(first, EventKind.SUPERVISION))
    assert all(f"record {block} was left torn" in told for block in OF_NONRT), told
    assert cell.pid("rt") == rt
