"""Exact samples of every cycle, from the cycle thread's ring in the shared memory.

`bench cycle` evaluates them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from fieldstack.bench.harness.wakes import Wake
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import SampleFlag

_LAYOUT = struct.Struct("<QIIiI")
SLOTS = 16384
_KEEP_CLEAR = 64
"""Slots near the writer that are not trusted: the writer may reach them while they are copied."""


class CycleSample(NamedTuple):
    """One cycle: when it was due (CLOCK_MONOTONIC), its wake-up latency, and its time from send to receive;
    ns.

    `due_ns` is exact up to the time that the cycle computes between waking and sending, some microseconds.
    """

    cycle: int
    due_ns: int
    wake_ns: int
    exchange_ns: int
    wkc: int
    flags: int

    @property
    def lost(self) -> bool:
        return bool(self.flags & SampleFlag.LOST)

    @property
    def late(self) -> bool:
        return bool(self.flags & SampleFlag.LATE)

    @property
    def in_op(self) -> bool:
        """Whether the working counter was supervised and as expected; otherwise the cycle is a fault."""
        return bool(self.flags & SampleFlag.OP)

    @property
    def wake(self) -> Wake:
        return Wake(self.due_ns, self.wake_ns)


Raw = tuple[int, int, int, int, int]
"""cycle, wake_ns, exchange_ns, wkc, flags, as in `fs_cycle_sample`."""


def timed(raw: Iterable[Raw], newest_due_ns: int, period_ns: int) -> list[CycleSample]:
    """Consecutive samples with the times of all; the newest was due at `newest_due_ns`.

    After a late wake-up the cycle continues in phase, so each sample's latency says how many periods follow
    it.
    """
    due_ns = newest_due_ns
    found: list[CycleSample] = []
    rows = list(raw)
    for place in range(len(rows) - 1, -1, -1):
        cycle, wake_ns, exchange_ns, wkc, flags = rows[place]
        found.append(CycleSample(cycle, due_ns, wake_ns, exchange_ns, wkc, flags))
        if place:
            due_ns -= (1 + rows[place - 1][1] // period_ns) * period_ns
    found.reverse()
    return found


class SampleReader:
    """Drains the ring. `missed` counts samples that were overwritten before they were read."""

    def __init__(self, store: DataStore, period_ns: int) -> None:
        self._statistics = store.raw.statistics
        self._store, self._period_ns = store, period_ns
        self._tail = self._head()
        self.missed = 0

    def _head(self) -> int:
        return int(lib.fs_load64(ffi.addressof(self._statistics, "sample_head")))

    def drain(self) -> list[CycleSample]:
        """Everything written since the last call, oldest first."""
        newest_due_ns, head = self._anchor()
        begin = max(self._tail, head - SLOTS + _KEEP_CLEAR)
        rows = list(self._copy(begin, head))
        overtaken = max(0, self._head() - SLOTS + _KEEP_CLEAR - begin)
        self.missed += begin - self._tail + min(overtaken, len(rows))
        self._tail = head
        return timed(rows[overtaken:], newest_due_ns, self._period_ns)

    def _anchor(self) -> tuple[int, int]:
        """When the newest sample was due, and how many samples there are; both of the same cycle."""
        for _ in range(100):
            head = self._head()
            status = self._store.rt_status()
            newest = self._statistics.samples[(head - 1) % SLOTS]
            if head and newest.cycle == status.cycle and self._head() == head:
                return int(status.cycle_ns) - int(status.exchange_ns) - int(status.wake_ns), head
        return 0, self._tail  # the cycle is not running, or between its two writes each time

    def _copy(self, begin: int, end: int) -> Iterator[Raw]:
        while begin < end:
            slot = begin % SLOTS
            count = min(end - begin, SLOTS - slot)
            memory: Any = ffi.buffer(
                ffi.addressof(self._statistics.samples, slot), count * ffi.sizeof("fs_cycle_sample")
            )
            yield from _LAYOUT.iter_unpack(bytes(memory))
            begin += count
