"""EtherCAT datagrams (ETG.1000.4, table 13 and following: coding of the commands).

RT's look at the wire without a master and the tests' direct master build their frames from them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from fieldstack_ethercat.wire.errors import fits, need

HEADER = struct.Struct("<BBIHH")
WORKING_COUNTER = struct.Struct("<H")
OVERHEAD = HEADER.size + WORKING_COUNTER.size
"""Bytes of a datagram beside its data: 10 of header, 2 of working counter."""

LENGTH_MASK = 0x07FF
CIRCULATING = 0x4000
MORE_FOLLOW = 0x8000


class Command(IntEnum):
    """Commands: auto-increment (AP), configured station (FP), broadcast (B), logical (L), multiple write."""

    NOP = 0
    APRD = 1
    APWR = 2
    APRW = 3
    FPRD = 4
    FPWR = 5
    FPRW = 6
    BRD = 7
    BWR = 8
    BRW = 9
    LRD = 10
    LWR = 11
    LRW = 12
    ARMW = 13
    FRMW = 14


def physical_address(position: int, offset: int) -> int:
    """The 32-bit address field of AP, FP and B commands: `position` (ADP) and register `offset` (ADO)."""
    return fits("Datagram", "position", position & 0xFFFF, 16) | fits("Datagram", "offset", offset, 16) << 16


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram.

    `address` holds ADP and ADO (`physical_address`) or a logical address; `event` is the IRQ field.
    """

    command: Command
    index: int
    address: int
    data: bytes
    working_counter: int = 0
    event: int = 0
    circulating: bool = False

    @property
    def position(self) -> int:
        """ADP: auto-increment position or station address."""
        return self.address & 0xFFFF

    @property
    def offset(self) -> int:
        """ADO: physical memory address within the slave."""
        return self.address >> 16

    def pack(self, more: bool = False) -> bytes:
        """Header, data and working counter; `more`: another datagram follows in the frame."""
        word = fits("Datagram", "length of data", len(self.data), 11)
        word |= (CIRCULATING if self.circulating else 0) | (MORE_FOLLOW if more else 0)
        header = HEADER.pack(
            self.command,
            fits("Datagram", "index", self.index, 8),
            fits("Datagram", "address", self.address, 32),
            word,
            fits("Datagram", "event", self.event, 16),
        )
        counter = fits("Datagram", "working_counter", self.working_counter, 16)
        return header + self.data + WORKING_COUNTER.pack(counter)


def unpack_datagram(data: bytes) -> tuple[Datagram, int, bool]:
    """The datagram at the start of `data`, its length in bytes, and whether another follows.

    Raises ShortBufferError if the datagram does not end within `data`, ValueError for an unknown command.
    """
    need("Datagram header", data, HEADER.size)
    command, index, address, word, event = HEADER.unpack_from(data)
    length = word & LENGTH_MASK
    need("Datagram", data, OVERHEAD + length)
    payload = bytes(data[HEADER.size : HEADER.size + length])
    (counter,) = WORKING_COUNTER.unpack_from(data, HEADER.size + length)
    datagram = Datagram(
        Command(command), index, address, payload, counter, event, circulating=bool(word & CIRCULATING)
    )
    return datagram, OVERHEAD + length, bool(word & MORE_FOLLOW)
