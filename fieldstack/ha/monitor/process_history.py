"""What the ProcessMonitor has seen of each process over its life.

It counts misses, delays and detections in histograms. `history_keeper` keeps it in a durable file, so a
restart of Non-RT adds to it. Times are in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fieldstack.ha.monitor.log_histogram import COUNT_BOUNDS, DURATION_BOUNDS, LogHistogram
from fieldstack_base.units import NS_PER_MS

VERSION = 1
RECORD = "process-history"


@dataclass(slots=True)
class ProcessHistory:
    """One process.

    `misses`: observations in a row without progress, after which it went on; `delay_ms`: how long it made
    none then; `detection_ms`: from its last sign of life to the moment at which its failure was known.
    """

    misses: LogHistogram = field(default_factory=lambda: LogHistogram(COUNT_BOUNDS))
    delay_ms: LogHistogram = field(default_factory=lambda: LogHistogram(DURATION_BOUNDS))
    detection_ms: LogHistogram = field(default_factory=lambda: LogHistogram(DURATION_BOUNDS))
    detections: dict[str, int] = field(default_factory=dict)
    """Failures by condition: dead, silent."""

    def missed(self, observations: int, delay_ns: int) -> None:
        """It made progress again after so many misses."""
        self.misses.add(observations)
        self.delay_ms.add(delay_ns / NS_PER_MS)

    def detected(self, condition: str, took_ns: int) -> None:
        self.detections[condition] = self.detections.get(condition, 0) + 1
        self.detection_ms.add(took_ns / NS_PER_MS)

    def to_dict(self) -> dict[str, Any]:
        return {
            "misses": self.misses.to_dict(),
            "delay_ms": self.delay_ms.to_dict(),
            "detection_ms": self.detection_ms.to_dict(),
            "detections": dict(self.detections),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ProcessHistory:
        """Raises ValueError, KeyError or TypeError: not what `to_dict` gave."""
        return cls(
            LogHistogram.from_dict(data["misses"], COUNT_BOUNDS),
            LogHistogram.from_dict(data["delay_ms"]),
            LogHistogram.from_dict(data["detection_ms"]),
            {str(name): int(number) for name, number in data["detections"].items()},
        )


class History:
    """All processes of a cell. `changes` and `detections` count new entries: a caller knows when to save."""

    def __init__(self, since_wall_ns: int = 0) -> None:
        self.since_wall_ns = since_wall_ns
        self.changes = self.detections = 0
        self._processes: dict[str, ProcessHistory] = {}
        self._unreported: dict[str, ProcessHistory] = {}

    def of(self, name: str) -> ProcessHistory:
        return self._processes.setdefault(name, ProcessHistory())

    def missed(self, name: str, observations: int, delay_ns: int) -> None:
        for one in (self.of(name), self._unreported.setdefault(name, ProcessHistory())):
            one.missed(observations, delay_ns)
        self.changes += 1

    def detected(self, name: str, condition: str, took_ns: int) -> None:
        self.of(name).detected(condition, took_ns)
        self.changes += 1
        self.detections += 1

    def take_unreported(self) -> dict[str, ProcessHistory]:
        """Misses and delays since this was asked last, by process; empty: there were none."""
        untold, self._unreported = self._unreported, {}
        return untold

    def to_dict(self) -> dict[str, Any]:
        processes = {name: one.to_dict() for name, one in sorted(self._processes.items())}
        return {"version": VERSION, "since_wall_ns": self.since_wall_ns, "processes": processes}

    @classmethod
    def restore(cls, data: dict[str, Any] | None, wall_ns: int) -> tuple[History, str]:
        """The history to go on with, and why an earlier one is not used (empty: it is, or there was none)."""
        fresh = cls(wall_ns)
        if data is None:
            return fresh, ""
        try:
            if data["version"] != VERSION:
                raise ValueError(f"version {data['version']!r} is not {VERSION}")
            kept = cls(int(data["since_wall_ns"]))
            kept._processes = {
                str(name): ProcessHistory.from_dict(one) for name, one in data["processes"].items()
            }
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            return fresh, f"the process history is not usable ({error!r}): it begins again"
        return kept, ""
