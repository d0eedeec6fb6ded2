"""Whether the machine itself held the cycle up: such an interval says nothing of the cell and is left out."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from fieldstack.ha.probes.proc_files import TICKS
from fieldstack.prediction.ladder import median

REMEMBERED = 31
"""Intervals whose median is what is usual."""
_FACTOR = 2.0
_SLACK_NS = 10_000_000
_STEAL_FIELD = 8


class Disturbance:
    """Two witnesses: how long the cycle thread was runnable and did not run (schedstat), and what the
    hypervisor took (steal). An interval with more than twice the usual and 10 ms is disturbed."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before: dict[str, int] = {}
        self._usual: dict[str, deque[float]] = {}

    def look(self, pid: int, tid: int) -> bool:
        """Judges the time since the last look; the first look of a thread judges nothing."""
        now = {"steal": self._steal_ns(), f"waited {tid}": self._waited_ns(pid, tid)}
        grown = {name: value - self._before[name] for name, value in now.items() if name in self._before}
        self._before = now
        self._usual = {name: self._usual.get(name, deque(maxlen=REMEMBERED)) for name in now}
        return True in [self._unusual(name, value) for name, value in grown.items()]  # all are remembered

    def _unusual(self, name: str, value: int) -> bool:
        usual = self._usual[name]
        usual.append(value)
        return value > _FACTOR * median(usual) + _SLACK_NS

    def _waited_ns(self, pid: int, tid: int) -> int:
        try:
            words = (
                (self._proc / str(pid) / "task" / str(tid) / "schedstat").read_text(encoding="ascii").split()
            )
            return int(words[1])
        except (OSError, ValueError, IndexError):
            return 0

    def _steal_ns(self) -> int:
        try:
            with (self._proc / "stat").open(encoding="ascii") as file:
                return int(file.readline().split()[_STEAL_FIELD]) * 1_000_000_000 // TICKS
        except (OSError, ValueError, IndexError):
            return 0
