"""The DataStore: the typed shared memory of one cell; reading and writing take microseconds.

Every process of a cell has one. Its words are in `atomic_words.py`, its records in `records.py` and
`checked_records.py`, its rings in `rings.py`, the latch in `estop.py`, the memory itself in `memory.py`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from fieldstack_base.instance import Instance
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import memory
from fieldstack_rt.datastore.checked_records import CheckedRecords
from fieldstack_rt.datastore.errors import StoreMissingError
from fieldstack_rt.datastore.estop import Estop
from fieldstack_rt.datastore.rings import EventRing, SetpointRing
from fieldstack_rt.datastore.rt_process_search import mapping_of


class DataStore(CheckedRecords):
    """One cell's shared memory; `raw` is the whole of it as a cffi `fs_store *`.

    Records are read as private copies and written whole (seqlock); single words are atomics.
    """

    def __init__(self, instance: Instance, found: memory.Mapped) -> None:
        self.instance = instance
        self.adopted, self.repaired, self.inode = found.adopted, found.repaired, found.inode
        mapped = self._memory = found.memory
        self.raw = ffi.cast("fs_store *", ffi.from_buffer(mapped))
        self._addresses, self._kept = {}, {}
        # The parts hold the mapping too: they may outlive this object.
        self.estop = Estop(self.raw, mapped)
        self.cycle_events = EventRing(self.raw.cycle_events, mapped)
        self.host_events = EventRing(self.raw.host_events, mapped)
        self.setpoints = SetpointRing(self.raw.setpoints, mapped)

    @classmethod
    def create(cls, instance: Instance, before_new: Callable[[], None] = lambda: None) -> DataStore:
        """For the Non-RT process: a new memory, or the living one adopted, its own torn records repaired.

        Raises:
            StoreBusyError: a living RT process works on a memory that cannot be adopted.
        """
        store = cls(instance, memory.create(instance.shm_name, before_new))
        store.owner_before = int(store.raw.header.owner_pid) if store.adopted else 0
        store.raw.header.owner_pid = os.getpid()
        store.torn = store.repair_records("Non-RT")
        return store

    @classmethod
    def attach(
        cls,
        instance: Instance,
        timeout_s: float = 0.0,
        *,
        read_only: bool = False,
        by_suffix: bool = False,
    ) -> DataStore:
        """For everyone else; waits for the memory at most `timeout_s`. `read_only`: for observers.
        `by_suffix`: for who knows that its cell works on it (`memory.attach`).

        Raises:
            StoreMissingError: there is none.
            LayoutMismatchError: it is of another version.
        """
        until = time.monotonic() + timeout_s
        while True:
            try:
                name = instance.shm_name
                return cls(instance, memory.attach(name, read_only=read_only, by_suffix=by_suffix))
            except StoreMissingError:
                if time.monotonic() >= until:
                    raise
            time.sleep(0.005)

    @classmethod
    def of_process(cls, instance: Instance, pid: int) -> DataStore:
        """The memory that a process works on, though its name leads elsewhere. For root.

        Raises:
            StoreMissingError: it has none, or may not be looked at.
            LayoutMismatchError: it is of another version.
        """
        mapping = mapping_of(pid, instance.shm_name)
        if mapping is None:
            raise StoreMissingError(instance.shm_name)
        try:
            return cls(instance, memory.at(instance.shm_name, mapping.file))
        except OSError:
            raise StoreMissingError(instance.shm_name) from None

    owner_before: int = 0
    """Pid of the owner before; 0: not known."""

    torn: tuple[str, ...] = ()
    """The owner's records that its predecessor had left torn."""

    @property
    def created_ns(self) -> int:
        """When this memory was made, which identifies it. It is stored twice, since one may be damaged."""
        whole = lib.fs_identity_is_whole(self.raw)
        return int(self.raw.identity.created_ns if whole else self.raw.header.created_ns)

    @property
    def lost(self) -> str:
        """Why this memory no longer belongs to the instance (removed, replaced, cut), for people; empty: it
        does."""
        return memory.lost(self.instance.shm_name, self.inode)

    def unlink(self) -> None:
        """Removes the memory's name at the end of a cell's life."""
        memory.unlink(self.instance.shm_name)
