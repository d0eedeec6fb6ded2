"""Identifies a process: a pid alone can be reused, a pid with its start time cannot.

The local process manager records each process in this way.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from fieldstack_base import bounded_json
from fieldstack_base.atomic_file import replace_file
from fieldstack_base.clock import boot_id
from fieldstack_base.proc.stat import read_stat


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a process: its pid, its start (clock ticks after boot, /proc/PID/stat field 22), the
    boot."""

    pid: int
    start_ticks: int
    boot: str


def identify(pid: int) -> Identity | None:
    """The process that has this `pid` now; None if there is none, or only a zombie."""
    try:
        stat = read_stat(Path(f"/proc/{pid}"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Identity(pid, stat.start_ticks, boot_id()) if stat.alive else None


def open_pidfd(identity: Identity) -> int | None:
    """A pidfd of exactly this process, or None if it has gone (even when its pid is used again)."""
    if identity.boot != boot_id():
        return None
    try:
        number = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    if identify(identity.pid) == identity:  # checked after the open: from here on the pidfd holds it
        return number
    os.close(number)
    return None


def write_pid_file(path: Path, identity: Identity) -> None:
    """Writes atomically: a reader finds the old file or the new one."""
    replace_file(path, json.dumps(asdict(identity)) + "\n")


def read_pid_file(path: Path) -> Identity | None:
    """The identity that `write_pid_file` wrote; None if there is no file or it is damaged."""
    try:
        data = bounded_json.loads(path.read_text(encoding="ascii"))
        return Identity(int(data["pid"]), int(data["start_ticks"]), str(data["boot"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
