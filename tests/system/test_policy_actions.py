"""What the shipped policy orders in a cell of two groups: tasks move, slaves restart, the rest goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack.process.nonrt_client import ask
from tests.system.cell_tasks import status, submit, two_groups
from tests.system.running_cell import RunningCell, policy_file, wait_for

pytestmark = pytest.mark.system

DRIVE_FAULT = 0x8611
X, DIO = 0, 4
SWING = [{"move": {"to": [150, 20]}}, {"move": {"to": [-150, -20]}}]
WORK = {
    "id": "work",
    "needs": {"capability": "gripper"},
    "on_resource_lost": "move_resume",
    "steps": [{"repeat": {"times": 500, "steps": SWING}}],
}


def quick(policy: dict[str, Any]) -> None:
    """As shipped, but a slave is given up sooner."""
    next(rule for rule in policy["rules"] if rule["name"] == "slave-lost")["debounce_ms"] = 300


def done(cell: RunningCell, since: int, **fields: Any) -> str:
    event = cell.await_event(since, EventKind.ACTION_DONE, **fields)
    return str(event.data["outcome"])


def test_tasks_move_and_slaves_restart_while_the_rest_goes_on(start_cell: Any, tmp_path: Path) -> None:
    bus = two_groups(tmp_path, left=("dio",))
    cell = start_cell(bus=bus, policy=policy_file(tmp_path, quick), core={"program": "none"})
    cell.await_operational()
    submit(cell, tmp_path, WORK)
    wait_for(lambda: status(cell, "work")["group"] == "left" and cell._fast_axes(), "it works on the left")
    pids = [cell.pid(one) for one in ("rt", "nonrt", "core")]

    since = cell.last_event()
    cell.segment.drive_fault(X, DRIVE_FAULT)
    moved = done(cell, since, action="REALLOCATE", rule="drive-fault", subject="group:left")
    assert "work: left -> right (resumed)" in moved
    assert cell.await_ha("DEGRADED")["ha"]["reason"].startswith("drive_fault of axis:x")
    wait_for(lambda: cell._fast_axes() > 0, "it works on the right")
    assert status(cell, "work")["group"] == "right"
    work = cell.snapshot()["work"]
    assert [(one["id"], one["group"]) for one in work["tasks"]] == [("work", "right")]
    assert [one["name"] for one in work["groups"] if one["out_of_use"]] == ["left"]
    cell.reset_and_start()
    cell.await_operational()

    since, before, step = cell.last_event(), cell.snapshot(), status(cell, "work")["step"]
    cell.segment.power_off(DIO)
    cell.await_event(since, EventKind.ACTION_ORDERED, action="RESTART_SLAVE", subject="slave:dio")
    cell.segment.power_on(DIO)
    assert "dio back in OP" in done(cell, since, action="RESTART_SLAVE", rule="slave-lost")
    cell.await_operational()
    cell.start()

    since = cell.last_event()
    restarted = ask(cell.instance, "restart", by="Ann", subject="slave:dio")
    assert restarted.accepted
    assert "dio back in OP" in done(cell, since, action="RESTART_SLAVE", subject="slave:dio")
    cell.await_operational()
    cell.start()
    after = cell.snapshot()
    assert [cell.pid(one) for one in ("rt", "nonrt", "core")] == pids
    assert after["cycle"]["cycles"] > before["cycle"]["cycles"]
    assert status(cell, "work")["group"] == "right"
    wait_for(lambda: status(cell, "work")["step"] > step, "its work went on")
