"""Says whether a process that left its pid behind still runs, or another one has its pid now.

`fieldstack status`, the end of a cell and Non-RT use it before they believe a recorded pid.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fieldstack_base.instance import Instance
from fieldstack_base.proc.stat import read_stat

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_TOLERANCE_NS = 2 * _TICK_NS


@dataclass(frozen=True, slots=True)
class ProcessFact:
    """A process in /proc. `state`: its letter (R, S, D, T, Z ...). `started_ns`: CLOCK_MONOTONIC."""

    pid: int
    state: str
    started_ns: int

    @property
    def alive(self) -> bool:
        return self.state not in "ZX"

    @property
    def halted(self) -> bool:
        """Stopped by a signal or a debugger."""
        return self.state in "Tt"


def look_up(pid: int) -> ProcessFact | None:
    """The process that has this pid now; None: there is none."""
    if pid <= 0:
        return None
    try:
        stat = read_stat(Path(f"/proc/{pid}"))
    except OSError:
        return None
    asleep_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    return ProcessFact(pid, stat.state, stat.start_ticks * _TICK_NS - asleep_ns)


def same_process(pid: int, known_since_ns: int) -> ProcessFact | None:
    """The process that had this pid at `known_since_ns` (CLOCK_MONOTONIC), if it is still alive. A process
    that started later only has the same number."""
    found = look_up(pid)
    if found is None or not found.alive or found.started_ns > known_since_ns + _TOLERANCE_NS:
        return None
    return found


def names_instance(pid: int, instance: Instance) -> bool:
    """Whether a process was started for this instance: its command line has its name, or a file of its
    folder."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return instance.name in words or any(word.startswith(f"{instance.runtime_dir}/") for word in words)


def by_systemd(pids: Iterable[int], instance: str) -> bool:
    """Whether one of them belongs to a unit of this instance: its control group has the unit's name."""
    unit = re.compile(rf"/fieldstack-(rt|core|nonrt|health|segment)@{re.escape(instance)}\.service")
    for pid in pids:
        try:
            if unit.search(Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")):
                return True
        except OSError:
            continue
    return False
