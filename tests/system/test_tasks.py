"""Tasks in a whole cell: what was declared is what the motors and outputs did, also when Core is killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from fieldstack.tasks.control.client import ask
from tests.system.cell_tasks import await_end, status, submit, two_groups
from tests.system.hook import webhook
from tests.system.running_cell import RunningCell, wait_for

pytestmark = pytest.mark.system

DIO = 4
SEQUENCE = {
    "id": "sequence",
    "needs": {"group": "all"},
    "on_crash": "go_on",
    "steps": [
        {"set_output": {"out-1": True}},
        {"move": {"to": {"x": 200, "y": 50}}},
        {"call": {"name": "note", "arguments": {"text": "moved"}}},
        {"move": {"to": {"x": -200, "y": -50, "c": 45}}},
        {"set_output": {"out-1": False, "out-8": True}},
        {"move": {"to": {"x": 10}}},
    ],
}
CALLS = """
import os

def note(text):
    with open(os.path.join(os.path.dirname(__file__), "notes"), "a") as file:
        file.write(text + "\\n")
"""


def stands_at(cell: RunningCell, **targets: float) -> bool:
    """The motors, as the segment knows them, are within a tenth of a unit."""
    truth = cell.segment.truth()
    axes = {axis.name: axis for axis in cell.plan.axes}
    return all(
        abs(truth[axes[name].slave].position / axes[name].counts_per_unit - target) < 0.1
        for name, target in targets.items()
    )


def in_step(cell: RunningCell, name: str, number: int) -> bool:
    """So many steps of the task are complete, and the next one is in motion."""
    return status(cell, name)["step"] == number and cell._fast_axes() > 0


def test_a_sequence_goes_on_when_core_is_killed_in_its_middle(start_cell: Any, tmp_path: Path) -> None:
    (tmp_path / "calls_of_the_cell.py").write_text(CALLS, encoding="utf-8")
    calls = {"note": {"function": "calls_of_the_cell:note"}}
    cell = start_cell(core={"program": "none", "calls": calls, "call_folder": str(tmp_path)})
    cell.await_operational()
    submit(cell, tmp_path, SEQUENCE)
    wait_for(lambda: in_step(cell, "sequence", 3), "the second move is under way")
    before = cell.pid("core")
    os.kill(before, signal.SIGKILL)
    cell.await_snapshot(
        lambda s: s["core"]["pid"] not in (None, before) and s["core"]["state"] == "running", "Core is back"
    )
    assert await_end(cell, "sequence")["state"] == "done"
    wait_for(lambda: stands_at(cell, x=10, y=-50, c=45), "the motors stand where the task said")
    assert cell.segment.truth()[DIO].outputs == bytes([0b1000_0000])
    assert (tmp_path / "notes").read_text() == "moved\n"
    listed = cell.command("task", "list", "--json")
    assert [(t["id"], t["state"]) for t in json.loads(listed.stdout)["tasks"]] == [("sequence", "done")]
    assert cell.command("task", "status", "nothing").returncode == 1


def test_after_an_orderly_end_and_a_start_a_task_goes_on_and_asks_nobody(
    start_cell: Any, tmp_path: Path
) -> None:
    move = {"move": {"to": {"x": 60}}}
    task = {"id": "asks", "needs": {"group": "all"}, "on_crash": "ask"}
    cell = start_cell(core={"program": "none", "speed_percent": 100})
    cell.await_operational()
    submit(
        cell, tmp_path, {**task, "steps": [move, {"move": {"to": {"x": -60}}}, {"move": {"to": {"x": 5}}}]}
    )
    wait_for(lambda: in_step(cell, "asks", 1), "the second move is under way")
    assert cell.end() == 0
    again = start_cell(core={"program": "none", "speed_percent": 100})
    again.await_operational()
    assert await_end(again, "asks")["state"] == "done"
    wait_for(lambda: stands_at(again, x=5), "the motor stands where the task said")


def test_two_tasks_move_two_groups_at_the_same_time(start_cell: Any, tmp_path: Path) -> None:
    cell = start_cell(bus=two_groups(tmp_path), core={"program": "none"})
    cell.await_operational()
    swing = [{"move": {"to": [150, 20]}}, {"move": {"to": [-150, -20]}}]
    steps = [{"repeat": {"times": 4, "steps": swing}}]
    submit(cell, tmp_path, {"id": "one", "needs": {"group": "left"}, "steps": steps})
    submit(cell, tmp_path, {"id": "two", "needs": {"capability": "gripper"}, "steps": steps})
    wait_for(lambda: cell._fast_axes() >= 2, "motors of both groups turn")
    told = ask(cell.instance, "status").data
    assert {name: group["task"] for name, group in told["groups"].items()} == {"left": "one", "right": "two"}
    assert cell.store.core_status().tasks_running == 2
    assert await_end(cell, "one")["state"] == "done"
    assert await_end(cell, "two")["state"] == "done"
    wait_for(lambda: stands_at(cell, x=-150, y=-20, u=-150, v=-20), "both stand where their task said")


def test_people_are_told_of_a_failed_task_until_somebody_has_seen_to_it(
    start_cell: Any, tmp_path: Path
) -> None:
    with webhook() as hook:
        channel = {"min_severity": "info", "webhook": {"url": hook.url}}
        cell = start_cell(core={"program": "none"}, alerts={"channels": {"ops": channel}})
        cell.await_operational()
        late = {"id": "late", "steps": [{"wait_input": {"input": "in-1", "timeout_ms": 20}}]}
        submit(cell, tmp_path, late)
        wait_for(lambda: hook.about("task:late"), "people are told")
        before = cell.pid("core")
        os.kill(before, signal.SIGKILL)
        cell.await_snapshot(
            lambda s: s["core"]["pid"] not in (None, before) and s["core"]["state"] == "running",
            "Core is back",
        )
        cell.await_passes(25)
        assert [told["state"] for told in hook.about("task:late")] == ["firing"]
        assert cell.command("task", "cancel", "late").returncode == 0
        wait_for(lambda: len(hook.about("task:late")) > 1, "people are told that it is seen to")
        assert hook.about("task:late")[1]["state"] == "resolved"


def test_a_task_moves_to_the_other_group_and_core_comes_back_from_a_deadlock(
    start_cell: Any, tmp_path: Path
) -> None:
    cell = start_cell(bus=two_groups(tmp_path), core={"program": "none", "fault_injection": True})
    cell.await_operational()
    swing = [{"move": {"to": [-150, -50]}}, {"move": {"to": [150, 50]}}]
    steps = [
        {"set_output": {"out-1": True}},
        {"repeat": {"times": 3, "steps": swing}},
        {"set_output": {"out-2": True}},
    ]
    task = {"id": "work", "needs": {"group": "left"}, "on_crash": "go_on", "steps": steps}
    submit(cell, tmp_path, {**task, "on_resource_lost": "move_resume"})
    wait_for(lambda: cell._fast_axes() > 0, "the first move is under way")
    moved = ask(cell.instance, "reallocate", group="left")
    how = {"task": "work", "from": "left", "to": "right", "how": "resumed"}
    assert (moved.accepted, moved.data["moved"]) == (True, [how])
    wait_for(lambda: status(cell, "work")["group"] == "right" and cell._fast_axes() > 0, "it moved")
    before = cell.pid("core")
    assert ask(cell.instance, "inject", fault="deadlock").accepted
    cell.await_snapshot(
        lambda s: s["core"]["pid"] not in (None, before) and s["core"]["state"] == "running", "Core is back"
    )
    assert await_end(cell, "work")["state"] == "done"
    wait_for(lambda: stands_at(cell, u=150, v=50), "the other group did the work")
    assert cell.segment.truth()[DIO].outputs == bytes([0b11])
