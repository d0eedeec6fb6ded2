"""Keeps the process history on disk.

Each Non-RT process reads it and adds to it; anybody reads it when none runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.monitor.process_history import RECORD, History, ProcessHistory
from fieldstack_base.durable import BackgroundSaver, DurableRecord

SAVE_EVERY_NS = 5_000_000_000
"""Misses and delays of this time may be lost in a power cut; detections are saved at once."""
REPORT_EVERY_NS = 60_000_000_000
"""An event of misses and delays is logged at once, and then stands for all of this time."""


class HistoryKeeper:
    """Loads at once, saves in a thread. `on_error` is told what the disk said."""

    def __init__(self, state_dir: Path, log: EventLog, on_error: Callable[[str], None]) -> None:
        record = DurableRecord(state_dir, RECORD)
        self.history, remark = History.restore(record.load().data, time.time_ns())
        if remark:
            log.append(EventKind.SUPERVISION, what=remark)
        self._log = log
        self._reported_ns: int | None = None
        self._saver = BackgroundSaver(record, on_error)
        self._saved_changes = self._saved_detections = self._saved_ns = 0

    def keep(self, now_ns: int) -> None:
        """Save it: each detection at once, other changes now and then; log misses."""
        if self._reported_ns is None or now_ns - self._reported_ns >= REPORT_EVERY_NS:
            self._tell(now_ns)
        if self.history.changes == self._saved_changes:
            return
        if self.history.detections != self._saved_detections or now_ns - self._saved_ns >= SAVE_EVERY_NS:
            self._save(now_ns)

    def _tell(self, now_ns: int) -> None:
        if missed := self.history.take_unreported():
            self._reported_ns = now_ns
            self._log.append(EventKind.PROCESS_DELAYED, **_summary(missed))

    def _save(self, now_ns: int) -> None:
        self._saved_changes, self._saved_ns = self.history.changes, now_ns
        self._saved_detections = self.history.detections
        self._saver.submit(self.history.to_dict())

    def close(self) -> None:
        self._tell(0)
        if self.history.changes != self._saved_changes:
            self._save(self._saved_ns)
        self._saver.close()


def _summary(missed: Mapping[str, ProcessHistory]) -> dict[str, Any]:
    """The fields of the event: for each process, how often it continued after misses, and the worst."""
    found = {
        name: {
            "times": one.misses.count,
            "misses": round(one.misses.sum),
            "most_misses": round(one.misses.max),
            "longest_ms": round(one.delay_ms.max, 3),
        }
        for name, one in missed.items()
    }
    texts = (
        f"{name} {one['times']} times (at most {one['most_misses']} misses, {one['longest_ms']:.0f} ms)"
        for name, one in found.items()
    )
    return {"processes": found, "what": ", ".join(texts)}


def read_history(state_dir: Path) -> dict[str, Any] | None:
    """The history that the last Non-RT process left; None: none, or it cannot be used."""
    data = DurableRecord(state_dir, RECORD).load().data
    if data is None:
        return None
    history, unusable = History.restore(data, 0)
    return None if unusable else history.to_dict()
