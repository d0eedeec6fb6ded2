"""`fieldstack down` and its like speak to the `up` that holds the cell now, and to nobody else."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

from fieldstack.cli import up
from fieldstack.cli.exit_codes import ExitCode
from fieldstack.status.up_record import UpRecord
from fieldstack_base.instance import Instance

HOLDER = """
import fcntl, os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
lock = open(sys.argv[1], "a")
fcntl.flock(lock, fcntl.LOCK_EX)
print("holds", flush=True)
sys.stdin.readline()
os.ftruncate(lock.fileno(), 0)
os.write(lock.fileno(), b"%d %d\\n" % (os.getpid(), time.monotonic_ns()))
print("signed", flush=True)
signal.pause()
"""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    instance = Instance(f"down-{os.getpid()}")
    instance.prepare()
    return instance


@contextmanager
def program(*command: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_is_the_holder_that_is_asked_however_late_it_says_who_it_is(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = instance.runtime_dir / "up.lock"
    with program("sleep", "60") as stranger, program(sys.executable, "-c", HOLDER, str(lock)) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "holds\n"
        lock.write_text(f"{stranger.pid} 1\n")  # an earlier `up` had this pid, and left things
        UpRecord(written_ns=1).write(instance)
        waits, sleep = count(), time.sleep

        def look_later(_seconds: float) -> None:
            sleep(0.001)
            if next(waits) == 3:
                assert holder.stdin is not None
                assert holder.stdout is not None
                holder.stdin.write("\n")
                holder.stdin.flush()
                assert holder.stdout.readline() == "signed\n"

        monkeypatch.setattr(time, "sleep", look_later)
        monkeypatch.setattr(up, "DOWN_TIMEOUT_S", 10.0)
        assert up.run_down(instance, Console(file=io.StringIO())) is ExitCode.OK
        assert holder.wait(5) == 7
        assert stranger.poll() is None


def test_a_cell_of_systemd_is_left_to_it(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    with program("sleep", "60") as unit:
        monkeypatch.setattr(up, "running_pids", lambda _instance: {"rt": unit.pid})
        read_text = Path.read_text

        def read(path: Path, *arguments: str, **options: str) -> str:
            if str(path) == f"/proc/{unit.pid}/cgroup":
                return f"0::/system.slice/fieldstack-rt@{instance.name}.service\n"
            return read_text(path, *arguments, **options)

        monkeypatch.setattr(Path, "read_text", read)
        output = io.StringIO()
        assert up.run_down(instance, Console(file=output)) is ExitCode.FAILED
        assert f"systemctl stop fieldstack@{instance.name}.target" in output.getvalue()
        assert unit.poll() is None
