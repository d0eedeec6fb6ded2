"""There is one of each in an instance: a second one refuses, names the first, and changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.system.running_cell import RunningCell, wait_for

pytestmark = pytest.mark.system


def second(cell: RunningCell, which: str) -> subprocess.CompletedProcess[str]:
    """Another process with the very command line of the running one."""
    settings = json.loads((cell.instance.runtime_dir / "nonrt.json").read_text(encoding="utf-8"))
    command = settings[f"{which}_command"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_second_of_each_refuses_and_the_first_goes_on(cell: RunningCell) -> None:
    before, epoch = cell.snapshot(), cell.store.rt_epoch

    rt = second(cell, "rt")
    assert rt.returncode == 6
    assert f"pid {before['rt']['pid']}" in rt.stderr
    core = second(cell, "core")
    assert core.returncode == 1
    assert "already runs" in core.stderr
    nonrt_command = ["run", "--settings", str(cell.instance.runtime_dir / "nonrt.json")]
    nonrt = cell_program("fieldstack.cli.nonrt", nonrt_command)
    assert nonrt.returncode != 0
    assert "another" in nonrt.stderr
    assert "Traceback" not in nonrt.stderr
    up = cell.command("up", "--headless")
    assert up.returncode == 6
    assert str(cell.up.pid) in up.stderr

    cycle = cell.store.rt_status().cycle
    wait_for(lambda: cell.store.rt_status().cycle > cycle + 100, "the first goes on")
    cell.await_motion()
    after = cell.snapshot()
    assert [after[name]["pid"] for name in ("nonrt", "core")] == [
        before[name]["pid"] for name in ("nonrt", "core")
    ]
    if cell.store.guard_status().trips == 0:
        assert (after["rt"]["pid"], cell.store.rt_epoch) == (before["rt"]["pid"], epoch)


def cell_program(module: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    program = f"from {module} import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
