"""`fieldstack up` gives Non-RT up: the cell is taken down, and people are told without Non-RT."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.system.running_cell import StartCell, wait_for

pytestmark = pytest.mark.system


def _kill_nonrt(cell: Any, killed: set[int]) -> None:
    """Each one as soon as it answers."""
    with contextlib.suppress(ProcessLookupError):
        pid = cell.snapshot()["nonrt"]["pid"]
        if pid and pid not in killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)


def test_people_are_told_that_up_gave_up(start_cell: StartCell, tmp_path: Path) -> None:
    told = tmp_path / "told"
    channel = {"command": {"argv": ["/bin/sh", "-c", f"cat >>{told}"]}}
    cell = start_cell(alerts={"channels": {"ops": channel}}, health={"port": 0})
    cell.await_operational()
    killed: set[int] = set()

    def over() -> bool:
        _kill_nonrt(cell, killed)
        return cell.up.poll() is not None

    wait_for(over, "`up` gives up", 60)
    assert cell.up.returncode not in (0, None)
    assert "Non-RT ended 5 times soon after its start" in cell.output()
    alerts = [json.loads("{" + one) for one in told.read_text().split("{")[1:]]
    (alert,) = [one for one in alerts if one["rule"] == "given-up"]
    assert alert["severity"] == "critical"
    assert "took the cell down" in alert["text"]
    assert "nonrt.log" in alert["text"]
