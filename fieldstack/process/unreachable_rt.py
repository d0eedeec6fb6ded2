"""EMERGENCY_STOP for RT processes that work on another shared memory, because theirs was replaced or removed.

It sets the latch in the memory that such a process works on, if it may be opened. Then it ends the process:
its axes stop, its slaves are taken down, and the wire is read back. `fieldstack estop` and the health
server's `estop` use it.
"""

from __future__ import annotations

from contextlib import suppress

from fieldstack.process.end_rt import RtEndResult, Wire, end_rt
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import Clear, DataStore, EstopSource, StoreError
from fieldstack_rt.datastore.rt_process_search import RtProcess, mapping_of, rt_processes


def attach_or_damaged(instance: Instance) -> DataStore:
    """The memory of that name, with a damaged header if an RT process lives. Raises StoreError."""
    return DataStore.attach(instance, by_suffix=bool(rt_processes(instance.name)))


def stop_unreachable_rt(
    instance: Instance, store: DataStore | None, source: EstopSource, reason: str
) -> tuple[RtEndResult, ...]:
    """Ends every living RT process that does not work on `store`; returns what happened to each."""
    found = [one for one in rt_processes(instance.name) if store is None or not _works_on(one, store)]
    for one in found:
        with suppress(StoreError):
            stray = DataStore.of_process(instance, one.pid)
            stray.estop.raise_(source, reason, until=Clear.ON_RESET)
    wire = Wire.of(instance.plan_file)
    return tuple(end_rt(one, wire) for one in found)


def _works_on(found: RtProcess, store: DataStore) -> bool:
    """Reads it from the kernel; if the kernel does not show it, from the memory itself."""
    mapping = mapping_of(found.pid, store.instance.shm_name)
    return mapping.inode == store.inode if mapping is not None else found.pid == store.rt_pid
