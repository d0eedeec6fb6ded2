"""FMMU registers (ETG.1000.4, table 56: fieldbus memory management unit).

The tests' direct master writes them to the virtual slaves; on a real bus SOEM packs its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from fieldstack_ethercat.wire.errors import fits, need

LAYOUT = struct.Struct("<IHBBHBBB3x")

TYPE_READ = 1
TYPE_WRITE = 2


@dataclass(frozen=True, slots=True)
class Fmmu:
    """One unit.

    Maps `length` logical bytes at `logical_start`, from `logical_start_bit` of the first to
    `logical_end_bit` of the last, to physical memory at `physical_start`, bit `physical_start_bit`.
    """

    logical_start: int
    length: int
    physical_start: int
    type: int
    logical_start_bit: int = 0
    logical_end_bit: int = 7
    physical_start_bit: int = 0
    active: bool = True

    @property
    def bits(self) -> int:
        """Mapped bits."""
        return 8 * (self.length - 1) + self.logical_end_bit + 1 - self.logical_start_bit

    def pack(self) -> bytes:
        """The unit's 16 bytes."""
        return LAYOUT.pack(
            fits("Fmmu", "logical_start", self.logical_start, 32),
            fits("Fmmu", "length", self.length, 16),
            fits("Fmmu", "logical_start_bit", self.logical_start_bit, 3),
            fits("Fmmu", "logical_end_bit", self.logical_end_bit, 3),
            fits("Fmmu", "physical_start", self.physical_start, 16),
            fits("Fmmu", "physical_start_bit", self.physical_start_bit, 3),
            fits("Fmmu", "type", self.type, 2),
            int(self.active),
        )


def unpack_fmmu(data: bytes) -> Fmmu:
    """The unit in the first 16 bytes of `data`; ShortBufferError for fewer."""
    need("Fmmu", data, LAYOUT.size)
    start, length, first_bit, last_bit, physical, physical_bit, kind, active = LAYOUT.unpack_from(data)
    return Fmmu(
        start, length, physical, kind & 3, first_bit & 7, last_bit & 7, physical_bit & 7, bool(active & 1)
    )
