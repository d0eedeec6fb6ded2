"""Checks that there is room in the file systems of the state folder and the runtime folder.

`/healthz` asks it.
"""

from __future__ import annotations

from fieldstack.health.checks.base import SampleCheck
from fieldstack.health.model.observation import DiskView
from fieldstack.health.model.result import Finding, Level, worst

REMEDY = "free space: events and checkpoints cannot be kept; the cell itself goes on"


class DiskCheck(SampleCheck):
    """`warn` and `fail` are used shares (0 to 1) of bytes or inodes."""

    name = "disk"
    source = "disk"

    def __init__(self, warn: float, fail: float) -> None:
        self._warn, self._fail = warn, fail

    def evaluate(self, value: tuple[DiskView, ...], now_ns: int) -> Finding:
        levels = [self._level(view) for view in value]
        level = worst(levels)
        bad = [view for view, one in zip(value, levels, strict=True) if one is not Level.PASS]
        texts = [_text(view) for view in bad or value]
        data = {view.name: {"used": view.used, "free_bytes": view.free_bytes} for view in value}
        return Finding(level, "; ".join(texts), REMEDY if bad else "", data)

    def _level(self, view: DiskView) -> Level:
        used = max(view.used, view.inodes_used)
        if view.read_only or used >= self._fail:
            return Level.FAIL
        return Level.WARN if used >= self._warn else Level.PASS


def _text(view: DiskView) -> str:
    if view.read_only:
        return f"{view.name} folder {view.path}: read-only file system"
    what = "inodes" if view.inodes_used > view.used else "space"
    share = max(view.used, view.inodes_used)
    return f"{view.name} folder {view.path}: {share:.1%} of the {what} used, {view.free_bytes >> 20} MiB free"
