"""Records of a running `fieldstack up`: who it is (`up.lock`), and what it made (`up.json`).

`up` writes them; `down`, `cells` and Non-RT's prediction read them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from fieldstack_base import bounded_json
from fieldstack_base.atomic_file import replace_file
from fieldstack_base.instance import Instance
from fieldstack_base.proc.process import same_process

RECORD = "up.json"
LOCK = "up.lock"
WRITER_WAIT_S = 0.5
"""Much longer than a process that only reads the lock's owner holds the lock."""


class AlreadyRunningError(Exception):
    """Processes of this instance run already, or another `fieldstack up` holds it. `pid` 0: unknown."""

    def __init__(self, instance: Instance, pid: int, end: str = "") -> None:
        who = f" (pid {pid})" if pid else ""
        end = end or f"fieldstack down --instance {instance.name}"
        super().__init__(
            f"instance {instance.name!r} is already up{who}. "
            f"End it with `{end}`, or give this one another --instance"
        )
        self.pid = pid


@dataclass(frozen=True, slots=True)
class UpRecord:
    """`written_ns` (CLOCK_MONOTONIC): when the pids were those of living processes; 0: not started.

    `veth` is the master's end of the virtual cable, or empty.
    """

    written_ns: int
    segment_pid: int = 0
    nonrt_pid: int = 0
    veth: str = ""
    health_pid: int = 0

    def write(self, instance: Instance) -> None:
        replace_file(record_file(instance), json.dumps(asdict(self)) + "\n")


def record_file(instance: Instance) -> Path:
    return instance.runtime_dir / RECORD


def read_record(instance: Instance) -> UpRecord | None:
    """The record; None if there is none, or none that can be read."""
    return read_record_in(instance.runtime_dir)


def read_record_in(runtime_dir: Path) -> UpRecord | None:
    """As `read_record`, of a cell with another runtime folder than this process would use."""
    try:
        return UpRecord(**bounded_json.loads((runtime_dir / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def hold(instance: Instance) -> Iterator[None]:
    """Holds the instance for this `up`; the kernel releases it however this process ends.

    Raises:
        AlreadyRunningError: another holds it.
    """
    with (instance.runtime_dir / LOCK).open("a") as lock:
        until = time.monotonic() + WRITER_WAIT_S
        while not _taken(lock, fcntl.LOCK_EX):
            pid = _writer_in(instance.runtime_dir)
            if pid or time.monotonic() > until:
                raise AlreadyRunningError(instance, pid)
            time.sleep(0.01)
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), b"%d %d\n" % (os.getpid(), time.monotonic_ns()))
        try:
            yield
        finally:
            os.ftruncate(lock.fileno(), 0)


def _taken(lock: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def held(instance: Instance) -> bool:
    """An `up` of this instance is alive."""
    return held_in(instance.runtime_dir)


def held_in(runtime_dir: Path) -> bool:
    """An `up` with this runtime folder is alive."""
    try:
        with (runtime_dir / LOCK).open("r") as lock:
            return not _taken(lock, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def holder_in(runtime_dir: Path) -> int:
    """Pid of the `up` that holds this runtime folder; 0: none does, or it has not written it yet."""
    pid = _writer_in(runtime_dir)
    return pid if pid and held_in(runtime_dir) else 0


def _writer_in(runtime_dir: Path) -> int:
    """The living process that wrote the lock last; 0: it has ended, and only its text is left."""
    try:
        pid, since_ns = (int(word) for word in (runtime_dir / LOCK).read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        return 0
    return pid if same_process(pid, since_ns) is not None else 0
