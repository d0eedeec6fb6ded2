"""A cell whose `up` was killed goes on; it can be seen, and ended, from anywhere."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from fieldstack.cell.instances import instances
from tests.system.running_cell import RunningCell

pytestmark = pytest.mark.system


def listed(cell: RunningCell) -> dict[str, Any]:
    return next(one.to_dict() for one in instances() if one.instance == cell.instance.name)


def test_a_cell_that_nobody_looks_after_is_listed_and_ended(
    cell: RunningCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (listed(cell)["up_pid"], listed(cell)["orphaned"]) == (cell.up.pid, False)
    cell.up.send_signal(signal.SIGKILL)
    cell.up.wait()
    folders = str(cell.instance.runtime_dir.parent)
    monkeypatch.delenv("FIELDSTACK_RUNTIME_DIR")  # as in another terminal
    left = listed(cell)
    assert (left["orphaned"], left["state"]) == (True, "OPERATIONAL")
    assert set(left["processes"]) == {"nonrt", "rt", "core", "segment"}
    command = f"FIELDSTACK_RUNTIME_DIR={folders} fieldstack down --instance {cell.instance.name}"
    assert command in left["note"]
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", folders)
    ended = cell.command("down")
    assert ended.returncode == 0, ended.stderr
    assert cell.leftovers() == []
    assert cell.instance.name not in json.dumps([one.to_dict() for one in instances()])
