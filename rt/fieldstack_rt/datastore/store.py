"""The DataStore: the typed shared memory of one cell, read and written at the cost of microseconds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from fieldstack_base.instance import Instance
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import memory
from fieldstack_rt.datastore.atomic_words import StoreWords
from fieldstack_rt.datastore.errors import StoreMissingError, TornRecordError
from fieldstack_rt.datastore.estop import Estop
from fieldstack_rt.datastore.layout import StartKind
from fieldstack_rt.datastore.rings import EventRing, SetpointRing
from fieldstack_rt.datastore.rt_process_search import mapping_of

_SPINS = 2000
_PATIENCE_S = 0.02
_WRITERS = {
    "rt_status": ("RT", lib.FS_BLOCK_RT_STATUS),
    "rt_bus": ("RT", lib.FS_BLOCK_RT_BUS),
    "guard_plan": ("RT", lib.FS_BLOCK_GUARD_PLAN),
    "nonrt_status": ("Non-RT", lib.FS_BLOCK_NONRT_STATUS),
    "guard_status": ("Non-RT", lib.FS_BLOCK_GUARD_STATUS),
    "checkpoint": ("Non-RT", lib.FS_BLOCK_CHECKPOINT),
    "core_status": ("Core", lib.FS_BLOCK_CORE_STATUS),
    "bus_command": ("Non-RT", lib.FS_BLOCK_BUS_COMMAND),
    "start": ("Non-RT", lib.FS_BLOCK_START),
}


class DataStore(StoreWords):
    """One cell's shared memory; `raw` is the whole of it as a cffi `fs_store *`.

    Records are read as private copies and written whole (seqlock); single words are atomics.
    """

    def __init__(self, instance: Instance, found: memory.Mapped) -> None:
        self.instance = instance
        self.adopted, self.mended, self.inode = found.adopted, found.mended, found.inode
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
        """For the Non-RT process: a new memory, or the living one adopted, with its own torn records mended.

        Raises:
            StoreBusyError: a living RT process works on a memory that can not be adopted.
        """
        store = cls(instance, memory.create(instance.shm_name, before_new))
        store.owner_before = int(store.raw.header.owner_pid) if store.adopted else 0
        store.raw.header.owner_pid = os.getpid()
        store.torn = store.mend_records("Non-RT")
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

    _commanded: Any = None
    owner_before: int = 0
    """Pid of the owner before; 0: not known."""

    torn: tuple[str, ...] = ()
    """The owner's records that its predecessor had left torn."""

    def mend_records(self, writer: str) -> tuple[str, ...]:
        """Empties the records of this writer ("RT", "Non-RT", "Core") that one before died in; names.

        For the one process that now is this writer.
        """
        blocks = [(name, number) for name, (owner, number) in _WRITERS.items() if owner == writer]
        return tuple(name for name, number in blocks if lib.fs_block_mend(self.raw, number))

    @property
    def created_ns(self) -> int:
        """When this memory was made: names it. Known twice, and one may be damaged."""
        whole = lib.fs_identity_is_whole(self.raw)
        return int(self.raw.identity.created_ns if whole else self.raw.header.created_ns)

    @property
    def lost(self) -> str:
        """Why this memory is the instance's no longer (removed, replaced, cut), for people; empty: it is."""
        return memory.lost(self.instance.shm_name, self.inode)

    def unlink(self) -> None:
        """Removes the memory's name at the end of a cell's life."""
        memory.unlink(self.instance.shm_name)

    # ---- records ----

    def new(self, record: str) -> Any:
        """An empty record to fill and write, for example `new("fs_nonrt_status")`."""
        return ffi.new(f"{record} *")

    def _pid_of(self, writer: str) -> int:
        if writer == "RT":
            return self.rt_pid
        return int(self.raw.header.owner_pid if writer == "Non-RT" else self.raw.core_status.pid)

    def _read(self, block: str, record: str) -> Any:
        writer, number = _WRITERS[block]
        copy = ffi.new(record)
        if lib.fs_block_read(self.raw, number, copy, _SPINS) == 0:
            return copy
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:  # a writer that was only preempted comes back
            time.sleep(0.001)
            if lib.fs_block_read(self.raw, number, copy, _SPINS) == 0:
                return copy
        raise TornRecordError(block, writer, self._pid_of(writer))

    def peek(self, block: str) -> Any | None:
        """A record as `rt_status` and the others read it, without patience; None: it is torn now."""
        copy = ffi.new(f"fs_{block} *")
        return copy if lib.fs_block_read(self.raw, _WRITERS[block][1], copy, _SPINS) == 0 else None

    def rt_status(self) -> Any:
        """`fs_rt_status`: cycle, working counter, stop reason, stream and axes as of the last cycle."""
        return self._read("rt_status", "fs_rt_status *")

    def rt_bus(self) -> Any:
        """`fs_rt_bus`: AL states, diagnosis, and what of the real-time set-up is degraded."""
        return self._read("rt_bus", "fs_rt_bus *")

    def guard_plan(self) -> Any:
        """`fs_guard_plan`: the safe outputs as RT declared them."""
        return self._read("guard_plan", "fs_guard_plan *")

    def nonrt_status(self) -> Any:
        """`fs_nonrt_status`: HA state and reason, restarts."""
        return self._read("nonrt_status", "fs_nonrt_status *")

    def guard_status(self) -> Any:
        """`fs_guard_status`: whether the guard is armed, and the stamps of its last trip."""
        return self._read("guard_status", "fs_guard_status *")

    def checkpoint(self) -> Any:
        """`fs_checkpoint`: last safe positions and task state; check it with `checkpoint_valid`."""
        return self._read("checkpoint", "fs_checkpoint *")

    def core_status(self) -> Any:
        """`fs_core_status`: the Main Core's state and task."""
        return self._read("core_status", "fs_core_status *")

    def bus_command(self) -> Any:
        """`fs_bus_command`: what the Non-RT process asks of RT's housekeeping."""
        return self._read("bus_command", "fs_bus_command *")

    def write_rt_bus(self, record: Any) -> None:
        lib.fs_block_write(self.raw, lib.FS_BLOCK_RT_BUS, record)

    def write_nonrt_status(self, record: Any) -> None:
        lib.fs_block_write(self.raw, lib.FS_BLOCK_NONRT_STATUS, record)

    def write_bus_command(self, record: Any) -> None:
        """For the Non-RT process; `sequence` one more than the last. Answer: `rt_bus().command_*`. Stamps the
        checksum, then writes, and keeps it."""
        record.checksum = 0
        record.checksum = lib.fs_checksum(record, ffi.sizeof("fs_bus_command"))
        self._commanded = ffi.new("fs_bus_command *", record[0])
        lib.fs_block_write(self.raw, lib.FS_BLOCK_BUS_COMMAND, record)

    @staticmethod
    def bus_command_valid(record: Any) -> bool:
        """Whether a command was ever written and is whole."""
        stamped, record.checksum = int(record.checksum), 0
        found = int(lib.fs_checksum(record, ffi.sizeof("fs_bus_command")))
        record.checksum = stamped
        return record.sequence > 0 and found == stamped

    def rewrite_damaged_words(self) -> tuple[str, ...]:
        """And the last bus command, which is written too seldom to mend itself."""
        damaged = super().rewrite_damaged_words()
        shared = ffi.buffer(ffi.addressof(self.raw, "bus_command"))
        if self._commanded is None:
            self._commanded = ffi.new("fs_bus_command *", self.raw.bus_command)
        if not int(self.raw.bus_command_seq) & 1 and shared[:] == ffi.buffer(self._commanded)[:]:
            return damaged
        lib.fs_block_write(self.raw, lib.FS_BLOCK_BUS_COMMAND, self._commanded)
        return (*damaged, "bus_command")

    def order_start(
        self, status: Any, axes: int, kind: StartKind = StartKind.GO, *, seen_cycle: int = 0
    ) -> int:
        """For the Non-RT process: `axes` (mask) may move again (GO), or wait for a start from now on (WAIT).

        `status` is the `fs_rt_status` that the order rests on: what stops an axis in its cycle (or in
        `seen_cycle`) or later is not lifted. Returns the sequence that RT shows as `start_taken` once it has
        taken the order; what came of it, `axes_await_start` says.
        """
        record = self.new("fs_start")
        record.sequence, record.rt_epoch = int(status.start_taken) + 1, int(status.epoch)
        record.axes, record.kind = axes, int(kind)
        record.seen_cycle = seen_cycle or int(status.cycle)
        record.checksum = lib.fs_checksum(record, ffi.sizeof("fs_start"))
        lib.fs_block_write(self.raw, lib.FS_BLOCK_START, record)
        return int(record.sequence)

    def write_core_status(self, record: Any) -> None:
        lib.fs_block_write(self.raw, lib.FS_BLOCK_CORE_STATUS, record)

    def write_guard_plan(self, record: Any) -> None:
        """Stamps the checksum, then writes."""
        record.checksum = 0
        record.checksum = lib.fs_checksum(record, ffi.sizeof("fs_guard_plan"))
        lib.fs_block_write(self.raw, lib.FS_BLOCK_GUARD_PLAN, record)

    def write_checkpoint(self, record: Any) -> None:
        """Stamps the checksum, then writes."""
        record.checksum = 0
        record.checksum = lib.fs_checksum(record, ffi.sizeof("fs_checkpoint"))
        lib.fs_block_write(self.raw, lib.FS_BLOCK_CHECKPOINT, record)

    @staticmethod
    def checkpoint_valid(record: Any) -> bool:
        """Whether a checkpoint was ever written and is whole."""
        stamped, record.checksum = int(record.checksum), 0
        found = int(lib.fs_checksum(record, ffi.sizeof("fs_checkpoint")))
        record.checksum = stamped
        return record.generation > 0 and found == stamped
