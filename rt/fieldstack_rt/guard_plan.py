"""Writes what the guard needs of RT: the safe outputs, and where they go on the wire.

RTExecutive does it before the cycle starts, and again when slaves are lost.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.soem.soem_context import SoemContext
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.cycle import safe_image
from fieldstack_rt.datastore.store import DataStore


def publish(
    store: DataStore,
    plan: BusPlan,
    context: SoemContext,
    interface: str,
    *,
    epoch: int,
    tid: int,
    cpu: int,
    priority: int,
) -> Any:
    """Writes `fs_guard_plan` for this RT epoch and returns the record.

    All are the cycle thread's own. `cpu` and `priority` as granted: -1 is any, 0 is no SCHED_FIFO.
    """
    record = store.new("fs_guard_plan")
    record.epoch, record.rt_pid, record.rt_tid = epoch, os.getpid(), tid
    record.rt_cpu, record.rt_priority = cpu, priority
    record.cycle_time_ns = plan.cycle_time_ns
    record.logical_start, record.outputs_size = context.logical_start, context.outputs_size
    record.slave_count = len(plan.slaves)
    record.expected_lwr_wkc = sum(1 for image in context.slaves if image.output_bits)
    record.interface = interface.encode()
    for position, station in enumerate(context.stations):
        record.stations[position] = station
    image = safe_image(plan, context)
    ffi.memmove(record.safe_image, image, len(image))
    store.write_guard_plan(record)
    return record


def repair(store: DataStore, record: Any) -> bool:
    """Writes `record` (of `publish`) again if the shared one is not it any more; True if that was needed.

    RT writes it once, so that damage would last as long as RT does, and the cell could not trust its guard. A
    sequence number that is odd here is damage, too: only this thread writes the record.
    """
    shared = ffi.buffer(ffi.addressof(store.raw, "guard_plan"))
    if not int(store.raw.guard_plan_seq) & 1 and shared[:] == ffi.buffer(record)[:]:
        return False
    store.write_guard_plan(record)
    return True


class AbsentSlaves:
    """Reports to the guard which slaves do not answer: it cannot read their states back."""

    def __init__(self, store: DataStore) -> None:
        self._store, self._epoch, self._sequence = store, store.rt_epoch, 0
        self._published: Any = None

    def publish(self, positions: Collection[int]) -> None:
        """Writes what is new, or was damaged since. It never writes over the newest, because RT may die
        during the write."""
        record = self._store.new("fs_guard_losses")
        record.epoch = self._epoch
        for position in positions:
            record.absent[position // 64] |= 1 << position % 64
        if self._is_published(record):
            return
        self._sequence += 1
        record.sequence = self._sequence
        record.checksum = lib.fs_checksum(record, ffi.sizeof("fs_guard_losses"))
        self._store.raw.guard_losses[self._sequence % 2] = record[0]
        self._published = record

    def _is_published(self, record: Any) -> bool:
        if self._published is None:
            return False
        record.sequence, record.checksum = self._published.sequence, self._published.checksum
        shared = ffi.buffer(ffi.addressof(self._store.raw.guard_losses[self._sequence % 2]))
        same = ffi.buffer(record)[:] == ffi.buffer(self._published)[:] == shared[:]
        record.sequence = record.checksum = 0
        return bool(same)
