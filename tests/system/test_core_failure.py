"""The Main Core dies while the axes move: the ring runs dry, the axes stop, its successor goes on."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack_rt._native import ffi
from tests.system.running_cell import RunningCell, wait_for
from tests.system.stops import Watch, motors_stopped_along_the_ramp

pytestmark = pytest.mark.system


def task_step(cell: RunningCell) -> int:
    """The step that Core says its task is in; -1 before it has one."""
    record = cell.store.core_status()
    if record.task_size == 0:
        return -1
    return int(json.loads(ffi.buffer(record.task)[: record.task_size])["step"])


def test_axes_stop_and_the_task_goes_on_where_it_was(start_cell: Any) -> None:
    cell = start_cell(core={"lead_ms": 50})
    wait_for(lambda: cell.snapshot()["operational"] and task_step(cell) >= 1, "the task is under way")
    before, step, since = cell.snapshot(), task_step(cell), cell.last_event()
    watch = Watch.in_motion(cell)
    os.kill(before["core"]["pid"], signal.SIGKILL)
    dry = cell.await_event(since, EventKind.RT, code="stream_dry")
    wait_for(lambda: task_step(cell) > step, "the task goes on")
    motors_stopped_along_the_ramp(cell, watch, since_ns=dry.t_ns)
    cell.await_motion()
    after = cell.snapshot()
    assert after["core"]["pid"] not in (None, before["core"]["pid"])
    assert after["motion"]["stream"] > before["motion"]["stream"]
    assert task_step(cell) >= step
    assert not any(event.kind is EventKind.ESTOP_RAISED for event in cell.events(since))
    steps = [e.data["step"] for e in cell.events(since, EventKind.RECOVERY_STEP)]
    assert steps[0] == "detected"
    assert steps[-1] == "recovered"
