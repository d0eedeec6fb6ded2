"""Records of the store, each of one writer: read as private copies, written whole (seqlock).

Every process of a cell uses them through `DataStore`. A writer that died inside a write is reported, never
waited for.
"""

from __future__ import annotations

import time
from typing import Any

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.atomic_words import StoreWords
from fieldstack_rt.datastore.errors import TornRecordError

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


class StoreRecords(StoreWords):
    """The records of one cell's shared memory."""

    def repair_records(self, writer: str) -> tuple[str, ...]:
        """Empties the records of this writer ("RT", "Non-RT", "Core") that one before died in; names.

        For the one process that now is this writer.
        """
        blocks = [(name, number) for name, (owner, number) in _WRITERS.items() if owner == writer]
        return tuple(name for name, number in blocks if lib.fs_block_mend(self.raw, number))

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
        """Reads a record as `rt_status` and the others do, but without waiting; None: it is torn now."""
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

    def write_core_status(self, record: Any) -> None:
        lib.fs_block_write(self.raw, lib.FS_BLOCK_CORE_STATUS, record)
