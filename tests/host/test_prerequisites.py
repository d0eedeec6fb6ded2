"""Where users who are not root look for a cell, and what they are told where they may only look."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes folders of several users: needs root")

GROUP = 65533
AS_USER = f"""
import os, sys
from pathlib import Path
from fieldstack.host.prerequisites import require_folders
from fieldstack_base import instance
folder = Path(sys.argv[1])
instance.SYSTEM_RUNTIME, instance.SYSTEM_STATE = folder / "run/fieldstack", folder / "lib/fieldstack"
os.environ |= {{"XDG_RUNTIME_DIR": str(folder / "own"), "XDG_STATE_HOME": str(folder / "own")}}
os.setgroups([{GROUP}] if "member" in sys.argv else [])
os.setgid(65534)
os.setuid(65534)
chosen = instance.Instance(sys.argv[2])
print(chosen.runtime_dir)
print(chosen.state_dir)
require_folders(chosen)
"""


@pytest.fixture
def system() -> Iterator[Path]:
    """As systemd makes the folders of a cell `press`: only the last one is the user's and its group's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for parent in ("run", "lib"):
            made = folder / parent / "fieldstack/press"
            made.mkdir(parents=True)
            os.chown(made, 65532, GROUP)
            made.chmod(0o750)
        yield folder


def as_user(system: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", AS_USER, str(system), *arguments]
    ours = ("FIELDSTACK_", "COVERAGE_")  # what is measured is written where this user may not write
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_member_of_the_group_finds_the_folders_of_a_cell_and_may_not_run_it(system: Path) -> None:
    member = as_user(system, "press", "member")
    assert member.stdout == f"{system}/run/fieldstack/press\n{system}/lib/fieldstack/press\n"
    assert "systemctl start fieldstack@press.target" in member.stderr


@pytest.mark.parametrize("arguments", [("press",), ("other", "member")], ids=["stranger", "other cell"])
def test_whoever_may_not_read_them_or_where_there_are_none_has_folders_of_his_own(
    system: Path, arguments: tuple[str, ...]
) -> None:
    done = as_user(system, *arguments)
    assert (done.stdout, done.stderr) == (f"{system}/own/fieldstack/{arguments[0]}\n" * 2, "")
