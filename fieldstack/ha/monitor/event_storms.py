"""Gathers events of a bus or machine that stutters.

The first of a second go out singly, the rest together.

A machine that takes CPUs away loses frames by the dozen a second. One log entry each costs more CPU time
than the cycle itself, which makes it worse, and hides what matters. An event that stands for several keeps
their stamps, causes and numbers. Used by `observer`.
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
"""So many events of a code are told singly within one span."""

_NAMES: dict[int, str] = {
    EventCode.FRAME_LOST: "frames lost",
    EventCode.WKC_LOW: "times a low working counter",
    EventCode.WKC_BACK: "times the working counter as expected again",
    EventCode.LATE_WAKEUP: "late wake-ups",
}


class EventStorms:
    """Pure: events and times in (CLOCK_MONOTONIC, ns), what is to be told now out."""

    def __init__(self) -> None:
        self._began_ns = 0
        self._seen: Counter[int] = Counter()
        self._gathered: list[RtEvent] = []

    def keeps(self, event: RtEvent, now_ns: int) -> bool:
        """Whether this event was taken in, to be told with others; False: tell it now."""
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
        """What was gathered, once its span is over; empty: nothing yet."""
        return self.take() if self._gathered and now_ns - self._began_ns >= SPAN_NS else ()

    def take(self) -> tuple[RtEvent, ...]:
        """What was gathered so far: at the end nothing is kept back."""
        gathered, self._gathered = tuple(self._gathered), []
        return gathered


def summary(events: Sequence[RtEvent]) -> dict[str, Any]:
    """Fields of the event that stands for these (at least one): how many of what, and each with its stamp."""
    counts = Counter(event.code for event in events)
    return {
        "span_ms": (events[-1].t_ns - events[0].t_ns) / 1e6,
        "what": ", ".join(f"{counts[code]} {name}" for code, name in _NAMES.items() if counts[code]),
        "gathered": [_entry(event) for event in events],
    }


def _entry(event: RtEvent) -> dict[str, Any]:
    _, _, fields = describe(event)
    return {"code": EventCode(event.code).name.lower(), "t_ns": event.t_ns, "fields": fields}
