"""Children are reaped once, their orphans too, and restarted with growing delays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fieldstack.cell import children
from fieldstack.cell.children import BACKOFF_NS, SETTLED_NS, Child, Exit
from fieldstack_base.proc.process import look_up, same_process


def wait_for_end(pid: int) -> Exit:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for ended in children.reap():
            if ended.pid == pid:
                return ended
        time.sleep(0.01)
    pytest.fail(f"{pid} did not end")


def test_a_killed_child_is_reaped_and_told_by_its_signal(tmp_path: Path) -> None:
    child = Child("sleeper", ["sleep", "60"], tmp_path / "log")
    child.start(time.monotonic_ns())
    child.send(signal.SIGKILL)
    ended = wait_for_end(child.pid)
    child.ended(ended, time.monotonic_ns())
    assert ended.text() == "killed by SIGKILL"
    assert child.pid == 0


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    child = Child("echo", ["sh", "-c", "echo out; echo err >&2; exit 3"], tmp_path / "log")
    child.start(0)
    ended = wait_for_end(child.pid)
    child.ended(ended, 0)
    assert ended.text() == "ended with exit code 3"
    assert (tmp_path / "log").read_text() == "out\nerr\n"


def test_delays_grow_and_begin_anew_after_a_settled_life(tmp_path: Path) -> None:
    child = Child("x", ["true"], tmp_path / "log")
    delays = []
    for _ in range(len(BACKOFF_NS) + 2):
        child.started_ns = 1_000
        child.ended(Exit(1, 1), 2_000)
        assert child.restart_at_ns is not None
        delays.append(child.restart_at_ns - 2_000)
    assert delays == [*BACKOFF_NS, BACKOFF_NS[-1], BACKOFF_NS[-1]]
    assert not child.due(2_000)
    child.ended(Exit(1, 1), 1_000 + SETTLED_NS + 1)
    assert child.restart_at_ns == 1_000 + SETTLED_NS + 1


def test_a_start_that_comes_to_nothing_is_tried_again_like_one_that_ended(tmp_path: Path) -> None:
    child = Child("x", [str(tmp_path / "missing")], tmp_path / "log")
    for lives, delay_ns in enumerate(BACKOFF_NS, start=1):
        with pytest.raises(FileNotFoundError):
            child.start(1_000)
        child.not_started(1_000)
        assert (child.pid, child.short_lives, child.restart_at_ns) == (0, lives, 1_000 + delay_ns)


def test_orphans_of_a_child_come_to_the_subreaper() -> None:
    script = (
        "import subprocess, sys, time\n"
        "from fieldstack.cell import children\n"
        "children.become_subreaper()\n"
        "parent = subprocess.Popen(['sh', '-c', 'sleep 0.3 & echo $!'], stdout=subprocess.PIPE, text=True)\n"
        "orphan = int(parent.stdout.readline())\n"
        "ended = []\n"
        "deadline = time.monotonic() + 10\n"
        "while orphan not in ended and time.monotonic() < deadline:\n"
        "    ended += [one.pid for one in children.reap()]\n"
        "    time.sleep(0.01)\n"
        "parent.returncode = 0\n"
        "sys.exit(orphan not in ended)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=30, check=False).returncode == 0


def test_a_pid_that_was_taken_over_is_another_process() -> None:
    now_ns = time.monotonic_ns()
    own = look_up(os.getpid())
    assert own is not None
    assert own.alive
    assert same_process(os.getpid(), now_ns) is not None
    assert same_process(os.getpid(), own.started_ns - 1_000_000_000) is None
    assert same_process(0, now_ns) is None


def test_a_zombie_is_not_alive() -> None:
    process = subprocess.Popen(["true"])
    deadline = time.monotonic() + 10
    while (found := look_up(process.pid)) and found.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert same_process(process.pid, time.monotonic_ns()) is None
    process.wait()
