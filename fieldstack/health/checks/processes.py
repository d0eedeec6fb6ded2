"""Checks that a process of the cell runs and makes progress: one check a process.

`/healthz` asks all of them, `/readyz` those of RT and Non-RT.
"""

from __future__ import annotations

from fieldstack.health.checks.base import MemoryCheck
from fieldstack.health.model.observation import MemoryView
from fieldstack.health.model.result import Finding, Level, passed
from fieldstack.status import liveness
from fieldstack.status.liveness import ProcessView

_LEVELS = {liveness.RUNNING: Level.PASS, liveness.STARTING: Level.WARN, liveness.STOPPING: Level.WARN}


class ProcessCheck(MemoryCheck):
    """`field`: the process's name in a snapshot (rt, nonrt, core). `optional`: a cell may be without it."""

    def __init__(self, field: str, *, optional: bool = False) -> None:
        self.name = f"process-{field}"
        self._field = field
        self._optional = optional

    def evaluate(self, value: MemoryView, now_ns: int) -> Finding:
        view: ProcessView = getattr(value.snapshot, self._field)
        if view.state == liveness.ABSENT and self._optional:
            return passed("no part of this cell, or not started yet")
        since = f" since {view.since}" if view.since else ""
        level = _LEVELS.get(view.state, Level.FAIL)
        return Finding(level, f"{view.state}{since}", "", {"pid": view.pid, "state": view.state})
