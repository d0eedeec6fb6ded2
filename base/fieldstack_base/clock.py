"""Reads the machine's clocks: monotonic and wall time of one moment, and the id of the present boot.

The event log, the alerts and the checkpoints time their records with it.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path


@cache
def boot_id() -> str:
    """The id of the present boot. Monotonic times with the same id can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def wall_of(t_ns: int) -> int:
    """The UTC time (Unix nanoseconds) of a CLOCK_MONOTONIC moment of this boot."""
    return time.time_ns() - time.monotonic_ns() + t_ns
