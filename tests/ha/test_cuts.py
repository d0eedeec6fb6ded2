"""Kills and power cuts in the middle of a save, at every system call that it makes.

What is found afterwards is the generation that was told to be saved, or the one after it: never nothing,
never a mixture. cut_runner.py does the cutting, in a process of its own; no call of Python is replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ha import syscalls
from tests.repository import ROOT

pytestmark = pytest.mark.skipif(not syscalls.NAMES, reason="the tracer knows x86-64 and AArch64")


def cut(what: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.ha.cut_runner", what, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("what", "cuts"), [("kill", 30), ("kill-counts", 18)])
def test_sigkill_before_each_system_call_of_a_save(tmp_path: Path, what: str, cuts: int) -> None:
    found = cut(what, tmp_path)["found"]
    assert len(found) > cuts
    for before, after, next_save, done in found:
        assert after in (before, before + 1)
        assert not done or after == before + 1
        assert next_save == after + 1
    assert {after - before for before, after, _, done in found if not done} == {0, 1}


@pytest.mark.parametrize("what", ["random", "random-counts"])
def test_sigkill_at_random_moments(tmp_path: Path, what: str) -> None:
    found = cut(what, tmp_path)["found"]
    newest = 0
    for told, generation, whole in found:
        assert whole
        assert generation >= max(told, newest)
        newest = generation
    assert newest > 20


@pytest.mark.parametrize(
    ("what", "states"),
    [("model", 15), ("model-counts", 15), ("model-log", 15), ("model-tasks", 15), ("model-old", 6)],
)
def test_a_power_cut_in_every_state_that_posix_allows(tmp_path: Path, what: str, states: int) -> None:
    """And the same model finds a save out that leaves one of its syncs away."""
    found = cut(what, tmp_path)
    assert {"openat", "pwrite64" if what == "model-counts" else "write"} < set(found["calls"])
    assert found["real"]["wrong"] == []
    assert found["real"]["states"] > states
    assert found["no-fsync"]["wrong_count"] > 0
    assert found["no-dir"]["wrong_count"] > 0


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists(),
    reason="needs root, mkfs.ext4 and loop devices",
)
@pytest.mark.parametrize(("what", "cuts"), [("ext4", 20), ("ext4-counts", 10)])
def test_a_power_cut_of_a_real_ext4_before_each_system_call(tmp_path: Path, what: str, cuts: int) -> None:
    found = cut(what, tmp_path)["found"]
    assert len(found) > cuts
    for generation, done in found:
        assert generation in (2, 3)
        assert not done or generation == 3
    assert {generation for generation, done in found if not done} == {2, 3}
