"""A warm spare takes the place of the process that ended, and never outlives its keeper."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from fieldstack.process.local import LocalProcessManager
from fieldstack.process.warm_spare import LONGEST_S, Spare

# With --standby it waits for a byte and ends at the end of input, as the RT process does.
_PROGRAM = """
import sys, time
if "--standby" in sys.argv and not sys.stdin.buffer.read(1):
    sys.exit(0)
open(sys.argv[1], "a").write("at work\\n")
time.sleep(60)
"""


def _wait(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def manager(tmp_path: Path, work: Path) -> Iterator[LocalProcessManager]:
    made = LocalProcessManager({"rt": (sys.executable, "-c", _PROGRAM, str(work))}, tmp_path)
    yield made
    made.discard_spares()
    if made.handle("rt"):
        made.kill("rt")
        _wait(lambda: made.handle("rt") is None)


def _spare_pid(manager: LocalProcessManager) -> int:
    pid = manager._spares["rt"].pid
    assert pid is not None
    return pid


def test_the_spare_becomes_the_process(manager: LocalProcessManager, work: Path) -> None:
    manager.keep_spare("rt")
    pid = _spare_pid(manager)
    assert not work.exists()
    assert manager.start("rt").pid == pid
    _wait(work.exists)


def test_without_a_spare_a_new_process_starts(manager: LocalProcessManager, work: Path) -> None:
    manager.start("rt")
    _wait(work.exists)


def test_a_spare_that_died_is_no_hindrance(manager: LocalProcessManager, work: Path) -> None:
    manager.keep_spare("rt")
    pid = _spare_pid(manager)
    os.kill(pid, signal.SIGKILL)
    _wait(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")
    assert manager.start("rt").pid != pid
    _wait(work.exists)


def test_keeping_one_twice_keeps_one(manager: LocalProcessManager) -> None:
    manager.keep_spare("rt")
    pid = _spare_pid(manager)
    manager.keep_spare("rt")
    assert _spare_pid(manager) == pid


def test_a_spare_ends_with_its_keeper(tmp_path: Path) -> None:
    keeper = (
        "import sys, time\nfrom pathlib import Path\n"
        "from fieldstack.process.local import LocalProcessManager\n"
        f"manager = LocalProcessManager({{'rt': (sys.executable, '-c', {_PROGRAM!r}, 'unused')}},"
        " Path(sys.argv[1]))\n"
        "manager.keep_spare('rt')\nprint(manager._spares['rt'].pid, flush=True)\ntime.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", keeper, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    _wait(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())


@pytest.mark.parametrize("spare", [False, True])
def test_a_process_whose_keeper_dies_before_its_pid_is_on_disk_never_works(
    tmp_path: Path, work: Path, spare: bool
) -> None:
    """Or it would run on unknown, and the next keeper would start another beside it."""
    keeper = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from fieldstack.process import local\n"
        "def die(path, identity):\n"
        "    print(identity.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "local.write_pid_file = die\n"
        f"manager = local.LocalProcessManager({{'rt': (sys.executable, '-c', {_PROGRAM!r}, {str(work)!r})}},"
        " Path(sys.argv[1]))\n" + ("manager.keep_spare('rt')\n" if spare else "") + "manager.start('rt')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", keeper, str(tmp_path)], stdout=subprocess.PIPE, timeout=30, check=False
    )
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    _wait(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())
    assert not work.exists()


def test_one_that_can_not_be_had_is_tried_less_and_less_often_and_told() -> None:
    tried: list[float] = []

    def spawn(_command: tuple[str, ...], _stdin: int) -> subprocess.Popen[bytes]:
        tried.append(now_s)
        raise OSError("no memory")

    spare, now_s = Spare(("rt",), spawn), 0.0
    while now_s < 3600:
        spare.keep(now_s)
        now_s += 1.0
    gaps = [after - before for before, after in pairwise(tried)]
    assert gaps[:4] == [5, 10, 20, 40]
    assert max(gaps) == LONGEST_S
    assert (spare.failures, spare.why) == (len(tried), "no memory")
