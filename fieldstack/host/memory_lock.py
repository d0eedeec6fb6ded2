"""Reads from /proc whether a process's memory is locked; any process may ask.

The dashboard and the health server show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fieldstack_base.proc.status import read_status

SLACK_KB = 1024
"""The kernel's own pages in each process (vvar), which no process can lock."""
LOCKED, PARTLY, NOT_LOCKED, UNKNOWN = "locked", "partly", "not locked", "unknown"


@dataclass(frozen=True, slots=True)
class MemoryLock:
    """A process's address space, its locked part (which stays in memory once it was touched), and its
    resident part; KiB. `state`: locked, partly, not locked, or unknown (no such process, or not readable)."""

    state: str = UNKNOWN
    locked_kb: int = 0
    resident_kb: int = 0
    size_kb: int = 0


def memory_lock(pid: int | None, proc: Path = Path("/proc")) -> MemoryLock:
    """Of a process as it is now; None or 0: there is none."""
    try:
        found = read_status(proc / str(pid)) if pid else {}
        locked, resident, size = (int(found[key].split()[0]) for key in ("VmLck", "VmRSS", "VmSize"))
    except (OSError, KeyError):  # it has gone; a zombie has no memory
        return MemoryLock()
    state = LOCKED if locked + SLACK_KB >= size else PARTLY if locked else NOT_LOCKED
    return MemoryLock(state, locked, resident, size)
