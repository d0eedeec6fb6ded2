"""Judges whether the machine itself held the cycle up.

Such an interval says nothing about the cell, so the telemetry leaves it out.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from fieldstack_base.proc.usage import TICKS

REMEMBERED = 61
"""Intervals whose lower quartile is what is usual: a machine that is disturbed half of the time does not
make that usual."""
_FACTOR = 3.0
_SLACK_NS = 50_000_000
_STEAL_FIELD = 8

Pids = Callable[[], Iterable[int]]


class Disturbance:
    """Two witnesses: how long a thread was runnable and did not run (schedstat), and what the hypervisor took
    (steal). An interval with more than three times the usual and 50 ms is disturbed.

    Watched are the cycle thread and all threads of `hardware`: of a virtual segment, which is no part of the
    cell; where it does not run, frames are lost as by no real slave.
    """

    def __init__(self, proc: Path = Path("/proc"), hardware: Pids = tuple) -> None:
        self._proc, self._hardware = proc, hardware
        self._before: dict[str, int] = {}
        self._usual: dict[str, deque[int]] = {}

    def is_disturbed(self, pid: int, tid: int) -> bool:
        """Judges the time since the last look; the first look at a thread judges nothing."""
        now = {"steal": self._steal_ns(), f"thread {tid}": self._waited_ns(pid, str(tid))}
        for other in self._hardware():
            now[f"process {other}"] = sum(self._waited_ns(other, one) for one in self._threads(other))
        grown = {name: value - self._before[name] for name, value in now.items() if name in self._before}
        self._before = now
        self._usual = {name: self._usual.get(name, deque(maxlen=REMEMBERED)) for name in now}
        return True in [self._unusual(name, value) for name, value in grown.items()]  # all are remembered

    def _unusual(self, name: str, value: int) -> bool:
        usual = self._usual[name]
        usual.append(value)
        return value > _FACTOR * sorted(usual)[len(usual) // 4] + _SLACK_NS

    def _threads(self, pid: int) -> list[str]:
        try:
            return os.listdir(self._proc / str(pid) / "task")
        except OSError:
            return []

    def _waited_ns(self, pid: int, tid: str) -> int:
        try:
            words = (self._proc / str(pid) / "task" / tid / "schedstat").read_text(encoding="ascii").split()
            return int(words[1])
        except (OSError, ValueError, IndexError):
            return 0

    def _steal_ns(self) -> int:
        try:
            with (self._proc / "stat").open(encoding="ascii") as file:
                return int(file.readline().split()[_STEAL_FIELD]) * 1_000_000_000 // TICKS
        except (OSError, ValueError, IndexError):
            return 0
