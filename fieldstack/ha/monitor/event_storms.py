"""Gathers events when a bus or machine fails repeatedly: only the first of a second are logged alone.

A machine that takes CPUs away loses dozens of frames a second. One log entry for each would cost more CPU
time than the cycle itself, make it worse, and hide what matters. An event that stands for several keeps their
stamps, causes and numbers. Used by `observer`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fieldstack_rt.datastore import RtEvent
from fieldstack_rt.datastore.events import describe
from fieldstack_rt.datastore.layout import EventCode

SPAN_NS = 1_000_000_000
SINGLY = 2
"""How many events of a code are logged alone within one span."""

_NAMES: dict[int, str] = {
    EventCode.FRAME_LOST: "frames lost",
    EventCode.WKC_LOW: "times a low working counter",
    EventCode.WKC_BACK: "times the working counter as expected again",
    EventCode.LATE_WAKEUP: "late wake-ups",
}


class EventStorms:
    """Pure: takes events and times (CLOCK_MONOTONIC, ns), and returns what to log now."""

    def __init__(self) -> None:
        self._began_ns = 0
        self._seen: Counter[int] = Counter()
        self._gathered: list[RtEvent] = []

    def keeps(self, event: RtEvent, now_ns: int) -> bool:
        """Whether this event was kept, to be logged with others; False: log it now."""
        if event.code not in _NAMES:
            return False
        if now_ns - self._began_ns >= SPAN_NS and not self._gathered:
            self._began_ns = now_ns
            self._seen.clear()
        self._seen[event.code] += 1
        if self._seen[event.code] <= SINGLY:
            return False
        self._gathered.append(event)
        return True

    def due(self, now_ns: int) -> tuple[RtEvent, ...]:
        """The events gathered, when their span is over; empty: none yet."""
        return self.take() if self._gathered and now_ns - self._began_ns >= SPAN_NS else ()

    def take(self) -> tuple[RtEvent, ...]:
        """The events gathered so far: at the end nothing is kept back."""
        gathered, self._gathered = tuple(self._gathered), []
        return gathered


def summary(events: Sequence[RtEvent]) -> dict[str, Any]:
    """The fields of the event that stands for these (at least one): how many of which, with stamps."""
    counts = Counter(event.code for event in events)
    return {
        "span_ms": (events[-1].t_ns - events[0].t_ns) / 1e6,
        "what": ", ".join(f"{counts[code]} {name}" for code, name in _NAMES.items() if counts[code]),
        "gathered": [_entry(event) for event in events],
    }


def _entry(event: RtEvent) -> dict[str, Any]:
    _, _, fields = describe(event)
    return {"code": EventCode(event.code).name.lower(), "t_ns": event.t_ns, "fields": fields}
