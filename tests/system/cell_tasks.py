"""Tasks in a whole cell: handing them in, looking at them, and a bus on which they can move elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fieldstack.tasks.control.client import ask
from tests.system.running_cell import CONFIG, RunningCell, wait_for


def submit(cell: RunningCell, folder: Path, task: dict[str, Any]) -> None:
    file = folder / f"{task['id']}.yaml"
    file.write_text(yaml.safe_dump(task), encoding="utf-8")
    done = cell.command("task", "submit", str(file))
    assert done.returncode == 0, done.stderr


def status(cell: RunningCell, name: str) -> dict[str, Any]:
    task: dict[str, Any] = ask(cell.instance, "status", id=name).data["task"]
    return task


def await_end(cell: RunningCell, name: str) -> dict[str, Any]:
    wait_for(lambda: status(cell, name)["state"] in ("done", "failed", "asking"), f"task {name} ends")
    return status(cell, name)


def two_groups(folder: Path, *, left: tuple[str, ...] = ()) -> Path:
    """The demo bus with two pairs of the same axes, each a group with a gripper. `left`: its terminals."""
    bus = yaml.safe_load((CONFIG / "ethercat/cell.yaml").read_text(encoding="utf-8"))
    x, y, *_ = bus["axes"]
    bus["axes"] = [x, y, {**x, "name": "u", "slave": "drive-3"}, {**y, "name": "v", "slave": "drive-4"}]
    alike = {"essential": False, "capabilities": ["gripper"]}
    bus["groups"] = [
        {"name": "left", "axes": ["x", "y"], "slaves": [*left], **alike},
        {"name": "right", "axes": ["u", "v"], **alike},
    ]
    file = folder / "bus.yaml"
    file.write_text(yaml.safe_dump(bus), encoding="utf-8")
    return file
