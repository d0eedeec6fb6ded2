"""What a running `fieldstack up` leaves for others to find: who it is, and what it made (`up.json`)."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from fieldstack_rt.instance import Instance

RECORD = "up.json"


class AlreadyRunningError(Exception):
    """Another `fieldstack up` holds this instance."""

    def __init__(self, instance: Instance, pid: int) -> None:
        super().__init__(
            f"instance {instance.name!r} is already up (pid {pid}). "
            f"End it with `fieldstack down --instance {instance.name}`, or give this one another --instance"
        )
        self.pid = pid


@dataclass(frozen=True, slots=True)
class UpRecord:
    """`written_ns` (CLOCK_MONOTONIC): when the pids were those of living processes; 0: not started.

    `veth` is the master's end of the virtual cable, or empty.
    """

    pid: int
    written_ns: int
    segment_pid: int = 0
    nonrt_pid: int = 0
    veth: str = ""

    def write(self, instance: Instance) -> None:
        target = record_file(instance)
        fresh = target.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        fresh.replace(target)


def record_file(instance: Instance) -> Path:
    return instance.runtime_dir / RECORD


def read_record(instance: Instance) -> UpRecord | None:
    """The record; None if there is none, or none that can be read."""
    return read_record_in(instance.runtime_dir)


def read_record_in(runtime_dir: Path) -> UpRecord | None:
    """As `read_record`, of a cell with another runtime folder than this process would use."""
    try:
        return UpRecord(**json.loads((runtime_dir / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def hold(instance: Instance) -> Iterator[None]:
    """Holds the instance for this `up`; the kernel lets go of it however this process ends.

    Raises:
        AlreadyRunningError: another holds it.
    """
    with (instance.runtime_dir / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            record = read_record(instance)
            raise AlreadyRunningError(instance, record.pid if record else 0) from None
        yield


def held(instance: Instance) -> bool:
    """An `up` of this instance is alive."""
    return held_in(instance.runtime_dir)


def held_in(runtime_dir: Path) -> bool:
    """An `up` with this runtime folder is alive."""
    try:
        with (runtime_dir / "up.lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
