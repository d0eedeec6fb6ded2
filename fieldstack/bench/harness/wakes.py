"""Wake-ups of a periodic thread, and the windows of time that they are sorted into.

`bench cycle` compares its threads by them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, Protocol, TypeVar


class HasDueTime(Protocol):
    @property
    def due_ns(self) -> int: ...


Timed = TypeVar("Timed", bound=HasDueTime)


class Wake(NamedTuple):
    """When a thread was to wake (CLOCK_MONOTONIC) and how late it did, ns."""

    due_ns: int
    late_ns: int


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time: begin included, end not."""

    begin_ns: int
    end_ns: int

    def holds(self, t_ns: int) -> bool:
        return self.begin_ns <= t_ns < self.end_ns

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.begin_ns


def inside(items: Sequence[Timed], windows: Iterable[Window]) -> list[Timed]:
    """Those of the wakes or samples (in order of time) that were due inside one of the windows."""
    found: list[Timed] = []
    for window in windows:
        begin = bisect_left(items, window.begin_ns, key=attrgetter("due_ns"))
        end = bisect_left(items, window.end_ns, key=attrgetter("due_ns"))
        found.extend(items[begin:end])
    return found


def in_slices(window: Window, slice_ns: int, margin_ns: int, *, odd: bool) -> list[Window]:
    """The parts of a window in odd (or even) slices of the clock, `margin_ns` away from each edge."""
    found: list[Window] = []
    number = window.begin_ns // slice_ns
    while number * slice_ns < window.end_ns:
        begin = max(window.begin_ns, number * slice_ns + margin_ns)
        end = min(window.end_ns, (number + 1) * slice_ns - margin_ns)
        if bool(number % 2) is odd and begin < end:
            found.append(Window(begin, end))
        number += 1
    return found
