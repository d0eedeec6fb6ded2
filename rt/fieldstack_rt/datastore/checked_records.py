"""Records with a checksum, because they are acted on or live long: orders to RT, guard plan, checkpoint.

RT, Non-RT and the guard act on them through `DataStore`.
"""

from __future__ import annotations

from typing import Any

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.layout import StartKind
from fieldstack_rt.datastore.records import StoreRecords


def _stamp(record: Any, kind: str) -> None:
    record.checksum = 0
    record.checksum = lib.fs_checksum(record, ffi.sizeof(kind))


def _whole(record: Any, kind: str) -> bool:
    stamped, record.checksum = int(record.checksum), 0
    found = int(lib.fs_checksum(record, ffi.sizeof(kind)))
    record.checksum = stamped
    return found == stamped


class CheckedRecords(StoreRecords):
    """The records with a checksum of one cell's shared memory."""

    _commanded: Any = None

    def write_bus_command(self, record: Any) -> None:
        """For the Non-RT process; `sequence` one more than the last. Answer: `rt_bus().command_*`. Stamps the
        checksum, then writes, and keeps it."""
        _stamp(record, "fs_bus_command")
        self._commanded = ffi.new("fs_bus_command *", record[0])
        lib.fs_block_write(self.raw, lib.FS_BLOCK_BUS_COMMAND, record)

    @staticmethod
    def bus_command_valid(record: Any) -> bool:
        """Whether a command was written and is not damaged."""
        return record.sequence > 0 and _whole(record, "fs_bus_command")

    def rewrite_damaged_words(self) -> tuple[str, ...]:
        """Also writes the last bus command again: it is written too seldom to repair itself."""
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
        _stamp(record, "fs_start")
        lib.fs_block_write(self.raw, lib.FS_BLOCK_START, record)
        return int(record.sequence)

    def write_guard_plan(self, record: Any) -> None:
        """Stamps the checksum, then writes."""
        _stamp(record, "fs_guard_plan")
        lib.fs_block_write(self.raw, lib.FS_BLOCK_GUARD_PLAN, record)

    def write_checkpoint(self, record: Any) -> None:
        """Stamps the checksum, then writes."""
        _stamp(record, "fs_checkpoint")
        lib.fs_block_write(self.raw, lib.FS_BLOCK_CHECKPOINT, record)

    @staticmethod
    def checkpoint_valid(record: Any) -> bool:
        """Whether a checkpoint was written and is not damaged."""
        return record.generation > 0 and _whole(record, "fs_checkpoint")
