"""The clocks of this machine's run: monotonic and wall stamps of one moment, and the run's id."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path


@cache
def boot_id() -> str:
    """Id of the kernel's present run: monotonic times of one id can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def wall_of(t_ns: int) -> int:
    """UTC (Unix nanoseconds) of a CLOCK_MONOTONIC moment of this run."""
    return time.time_ns() - time.monotonic_ns() + t_ns
