"""Checks whether the shared memory can be right: header, torn records, counters, beats, checksums.

It waits for no writer, and trusts no record that it checks. Non-RT asks it in each pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import MAX_AXES, MAX_SLAVES
from fieldstack_rt.datastore.memory import MAGIC, SIZE
from fieldstack_rt.datastore.rings import SETPOINT_SLOTS

SUBJECT = "datastore"
CHECK_INTERVAL_NS = 100_000_000
SLOW_NS = 500_000_000
"""Checksums are checked this seldom."""
TORN_NS = 5_000_000
"""If a write lasts this long, its writer is gone: the longest write takes microseconds."""
_RECORDS = ("rt_status", "rt_bus", "nonrt_status", "guard_status", "checkpoint", "core_status", "bus_command")
_COUNTERS = ("rt_epoch", "rt_beat", "rt_idle_beat", "nonrt_beat", "nonrt_epoch", "core_beat")
_MAX_STEP = 1 << 32
"""No counter grows by this much between two readings."""


class StoreHealth:
    """One measure: 0, or how many things are wrong; its detail names them."""

    def __init__(self, store: DataStore) -> None:
        self._store = store
        self._raw = raw = store.raw
        words = (*_COUNTERS, *(f"{name}_seq" for name in _RECORDS))
        self._words = {name: ffi.addressof(raw, name) for name in words}
        self._ring = tuple(ffi.addressof(raw.setpoints, name) for name in ("tail", "head"))
        self._seen = {name: self._word(name) for name in _COUNTERS}
        self._odd: dict[str, tuple[int, int]] = {}
        self._slow: list[str] = []
        self._slow_ns = self._checked_ns = 0
        self._last: tuple[Measure, ...] = ()

    def measures(self, now_ns: int) -> Iterable[Measure]:
        if self._last and now_ns - self._checked_ns < CHECK_INTERVAL_NS:
            return self._last
        self._checked_ns = now_ns
        wrong = [*self._header(), *self._torn(now_ns), *self._counters(), *self._bounds()]
        if now_ns - self._slow_ns >= SLOW_NS:
            self._slow_ns, self._slow = now_ns, list(self._checksums())
        wrong += self._slow
        self._last = (Measure(FactKind.DATASTORE_INCONSISTENT, SUBJECT, float(len(wrong)), "; ".join(wrong)),)
        return self._last

    def _word(self, name: str) -> int:
        return int(lib.fs_load64(self._words[name]))

    def _header(self) -> Iterable[str]:
        header = self._raw.header
        if header.magic != MAGIC:
            yield f"header: magic is {int(header.magic):#x} instead of {MAGIC:#x}"
        if header.layout_hash != lib.fs_layout_hash():
            yield "header: the layout's hash has changed"
        if header.size != SIZE:
            yield f"header: size is {int(header.size)} instead of {SIZE}"

    def _torn(self, now_ns: int) -> Iterable[str]:
        """An odd sequence number that stays: its writer died inside a write."""
        for name in _RECORDS:
            sequence = self._word(f"{name}_seq")
            if not sequence & 1:
                self._odd.pop(name, None)
                continue
            since = self._odd.get(name)
            if since is None or since[0] != sequence:
                self._odd[name] = (sequence, now_ns)
            elif now_ns - since[1] >= TORN_NS:
                yield f"record {name} is torn: its writer stopped inside a write"

    def _counters(self) -> Iterable[str]:
        """Reported once; then the present value counts as the start."""
        for name, before in self._seen.items():
            now = self._seen[name] = self._word(name)
            if now < before:
                yield f"{name} went back from {before} to {now}"
            elif now - before > _MAX_STEP:
                yield f"{name} jumped from {before} to {now}"

    def _bounds(self) -> Iterable[str]:
        raw = self._raw
        if raw.rt_phase > lib.FS_RT_STOPPED:
            yield f"rt_phase is {int(raw.rt_phase)}: no such phase"
        if raw.rt_status.axis_count > MAX_AXES:
            yield f"rt_status: {int(raw.rt_status.axis_count)} axes (at most {MAX_AXES})"
        if raw.rt_bus.slave_count > MAX_SLAVES:
            yield f"rt_bus: {int(raw.rt_bus.slave_count)} slaves (at most {MAX_SLAVES})"
        tail, head = (int(lib.fs_load64(word)) for word in self._ring)  # in this order: the head moves on
        ahead = head - tail
        if not 0 <= ahead <= 2 * SETPOINT_SLOTS:  # both ends may move on between the two looks
            yield f"setpoints: {ahead} ahead of the cycle (the ring holds {SETPOINT_SLOTS})"

    def _checksums(self) -> Iterable[str]:
        store = self._store
        if "checkpoint" not in self._odd and (record := _read(store.checkpoint)) is not None:
            written = int(record.generation) > 0
            if written and not store.checkpoint_valid(record):
                yield "checkpoint: its checksum is wrong"
        if (plan := _read(store.guard_plan)) is not None and int(plan.epoch) > 0:
            stamped, plan.checksum = int(plan.checksum), 0
            if stamped != int(lib.fs_checksum(plan, ffi.sizeof("fs_guard_plan"))):
                yield "guard_plan: its checksum is wrong"


def _read(reader: Any) -> Any:
    try:
        return reader()
    except TornRecordError:
        return None
