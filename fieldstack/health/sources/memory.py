"""Reads the shared memory, mapped read-only: a snapshot of the cell, and whether records can be right.

The checks and metrics of the cell and of its bus use it.
"""

from __future__ import annotations

import time

from fieldstack.health.model.observation import MemoryView
from fieldstack.status.status import StatusSource
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import GuardState, HaState

_RECORDS = (
    *("rt_status", "rt_bus", "guard_plan", "nonrt_status"),
    *("guard_status", "checkpoint", "core_status"),
)
_FUTURE_NS = 1_000_000_000


class MemorySource:
    """Attaches when the memory appears, again when it was replaced."""

    def __init__(self, instance: Instance) -> None:
        self._status = StatusSource(instance)

    def read(self) -> MemoryView:
        """Raises StoreError: the memory is of another version, or may not be read."""
        snapshot = self._status.take()
        store = self._status.store
        if store is None:
            return MemoryView(snapshot, None)
        epochs = {"fieldstack-rt": store.rt_epoch, "fieldstack-nonrt": store.nonrt_epoch}
        epochs["fieldstack-core"] = _core_epoch(store)
        return MemoryView(
            snapshot,
            store,
            torn=_torn(store),
            damage=tuple(_damage(store)),
            rt_beat=store.rt_beat,
            rt_tid=int(store.raw.rt_tid),
            epochs=epochs,
        )


def _core_epoch(store: DataStore) -> int:
    try:
        return int(store.core_status().epoch)
    except TornRecordError:
        return 0


def _torn(store: DataStore) -> tuple[str, ...]:
    found = []
    for name in _RECORDS:
        try:
            getattr(store, name)()
        except TornRecordError:
            found.append(name)
    return tuple(found)


def _damage(store: DataStore) -> list[str]:
    """What no writer of ours would have written."""
    found = list[str]()
    now_ns = time.monotonic_ns()
    if store.rt_beat_ns > now_ns + _FUTURE_NS:
        found.append("RT's last beat is stamped in the future")
    try:
        status, checkpoint = store.nonrt_status(), store.checkpoint()
        if int(status.ha_state) not in set(HaState):
            found.append(f"HA state {int(status.ha_state)} does not exist")
        if int(store.guard_status().state) not in set(GuardState):
            found.append("the guard's state does not exist")
        if int(checkpoint.generation) and not DataStore.checkpoint_valid(checkpoint):
            found.append("the checkpoint's checksum is wrong")
    except TornRecordError:  # reported by name already
        pass
    return found
