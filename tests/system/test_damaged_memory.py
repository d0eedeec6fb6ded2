"""The RT process dies and its memory is garbage: never unsafe, never a hang, never silence about it."""

from __future__ import annotations

import contextlib
import os
import random
import signal

import pytest

from fieldstack_rt._native import ffi
from tests.system.running_cell import RunningCell, wait_for
from tests.system.stops import Watch, motion_was_smooth, outputs_became_safe

pytestmark = pytest.mark.system

BLOCKS = {
    "lock": ("rt_lock",),
    "status": ("rt_status_seq", "rt_status"),
    "guard-plan": ("guard_plan_seq", "guard_plan"),
    "setpoints": ("setpoints",),
    "events": ("cycle_events", "host_events"),
    "beats": ("rt_beat", "rt_beat_ns", "rt_epoch", "rt_phase", "rt_claim", "rt_tid"),
}
ALL = tuple(name for names in BLOCKS.values() for name in names)


def spoil(cell: RunningCell, names: tuple[str, ...], seed: int) -> None:
    """Random bytes over these members of the shared memory; the same for the same seed."""
    source = random.Random(seed)
    for name in names:
        member = ffi.addressof(cell.store.raw, name)
        size = ffi.sizeof(ffi.typeof(member).item)
        ffi.memmove(member, source.randbytes(size), size)


def settled(cell: RunningCell) -> bool:
    """Moving again by itself, or waiting for a person who is told why."""
    found = cell.snapshot()
    if found["ha"]["state"] in ("MANUAL_INTERVENTION", "SAFE_MODE"):
        return bool(found["ha"]["reason"])
    return bool(found["operational"] and found["motion"]["stream_state"] == "PLAYING")


KILLED_FIRST, SPOILT_FIRST = "killed-then-spoilt", "spoilt-then-killed"
CASES = [
    ("lock", KILLED_FIRST),
    ("lock", SPOILT_FIRST),
    ("status", KILLED_FIRST),
    ("guard-plan", SPOILT_FIRST),
    ("setpoints", SPOILT_FIRST),
    ("events", KILLED_FIRST),
    ("beats", SPOILT_FIRST),
    ("all", KILLED_FIRST),
    ("all", SPOILT_FIRST),
]


@pytest.mark.parametrize(("what", "order"), CASES)
def test_a_dead_rt_process_in_a_damaged_memory(cell: RunningCell, what: str, order: str) -> None:
    names = BLOCKS.get(what, ALL)
    pid, watch = cell.pid("rt"), Watch.in_motion(cell)
    seed = 2000 + len(order) * 100 + len(what)
    if order == SPOILT_FIRST:
        spoil(cell, names, seed)
    with contextlib.suppress(ProcessLookupError):  # what was spoilt may have been its end already
        os.kill(pid, signal.SIGKILL)
    if order == KILLED_FIRST:
        spoil(cell, names, seed)
    wait_for(lambda: cell.all_safe() or cell.pid("rt") != pid, "outputs are safe")
    wait_for(lambda: settled(cell), "the cell recovers or asks for a person")
    outputs_became_safe(cell, watch)
    motion_was_smooth(cell, watch)
    if not cell.snapshot()["operational"]:
        cell.await_stand()
        cell.reset()
        cell.await_operational()  # damage that lasted for long counts a while longer
    cell.start()  # whatever it had to be stopped for
    cell.await_motion()
    motion_was_smooth(cell, watch)
