"""Checks whether the axes stand where tasks may use them: within their position limits.

`/readyz` and `/healthz` ask it.
"""

from __future__ import annotations

from fieldstack.health.checks.base import MemoryCheck
from fieldstack.health.model.observation import MemoryView
from fieldstack.health.model.result import Finding, Level, failed, passed


class AxesCheck(MemoryCheck):
    """An axis beyond a limit keeps its group from work: a failure, but where the cell can do without."""

    name = "axes"

    def evaluate(self, value: MemoryView, now_ns: int) -> Finding:
        shot = value.snapshot
        if not shot.live:
            return failed("where the axes stand is not known: RT does not cycle", "see the check process-rt")
        out = [axis for axis in shot.axes if axis.beyond_limit]
        if not out:
            return passed("within their limits")
        spared = {name for group in shot.work.groups if not group.essential for name in group.axes}
        level = Level.WARN if all(axis.name in spared for axis in out) else Level.FAIL
        text, remedy = "; ".join(one.beyond_text for one in out), "; ".join(one.way_back for one in out)
        return Finding(level, text, remedy, {axis.name: axis.beyond_limit for axis in out})
