"""Sync manager registers (ETG.1000.4, table 58: sync manager channel).

The virtual slaves' SII is made with them, and the tests' direct master writes them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from fieldstack_ethercat.wire.errors import fits, need

LAYOUT = struct.Struct("<HHBBBB")

MODE_BUFFERED = 0
MODE_MAILBOX = 2
DIRECTION_READ = 0
DIRECTION_WRITE = 1
STATUS_MAILBOX_FULL = 0x08
ACTIVATE_ENABLE = 0x01
ACTIVATE_REPEAT_REQUEST = 0x02
PDI_DEACTIVATED = 0x01
PDI_REPEAT_ACKNOWLEDGE = 0x02

CONTROL_MAILBOX_OUT = 0x26
"""Mailbox, written by the master, interrupt to the application."""
CONTROL_MAILBOX_IN = 0x22
"""Mailbox, read by the master."""
CONTROL_OUTPUTS = 0x64
"""Buffered, written by the master, triggers the process data watchdog."""
CONTROL_INPUTS = 0x20
"""Buffered, read by the master."""


@dataclass(frozen=True, slots=True)
class SyncManager:
    """One channel: `start` and `length` in bytes, and its control, status, activate and PDI control bytes."""

    start: int
    length: int
    control: int
    status: int = 0
    activate: int = ACTIVATE_ENABLE
    pdi_control: int = 0

    @property
    def mailbox(self) -> bool:
        return self.control & 3 == MODE_MAILBOX

    @property
    def written_by_master(self) -> bool:
        return self.control >> 2 & 3 == DIRECTION_WRITE

    @property
    def watchdog(self) -> bool:
        """A complete write triggers the process data watchdog."""
        return bool(self.control & 0x40)

    @property
    def enabled(self) -> bool:
        return bool(self.activate & ACTIVATE_ENABLE)

    @property
    def full(self) -> bool:
        return bool(self.status & STATUS_MAILBOX_FULL)

    def pack(self) -> bytes:
        """The channel's 8 bytes."""
        return LAYOUT.pack(
            fits("SyncManager", "start", self.start, 16),
            fits("SyncManager", "length", self.length, 16),
            fits("SyncManager", "control", self.control, 8),
            fits("SyncManager", "status", self.status, 8),
            fits("SyncManager", "activate", self.activate, 8),
            fits("SyncManager", "pdi_control", self.pdi_control, 8),
        )


def unpack_sync_manager(data: bytes) -> SyncManager:
    """The channel in the first 8 bytes of `data`; ShortBufferError for fewer."""
    need("SyncManager", data, LAYOUT.size)
    return SyncManager(*LAYOUT.unpack_from(data))
