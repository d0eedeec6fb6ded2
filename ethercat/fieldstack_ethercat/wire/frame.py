"""EtherCAT frames (ETG.1000.4, table 1 to 12): Ethernet header, EtherCAT header, datagrams.

RT's look at the wire without a master and the tests' direct master send them; SOEM makes its own.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from fieldstack_ethercat.wire.datagram import Datagram, unpack_datagram
from fieldstack_ethercat.wire.errors import MalformedError, fits, need

ETHERTYPE = 0x88A4
TYPE_DATAGRAMS = 1
"""The EtherCAT header's type for frames of datagrams; others are network variables and mailbox gateway."""
BROADCAST_MAC = b"\xff" * 6
DEFAULT_SOURCE_MAC = b"\x01" * 6
ETHERNET_HEADER = struct.Struct("!6s6sH")
ETHERCAT_HEADER = struct.Struct("<H")
HEADERS = ETHERNET_HEADER.size + ETHERCAT_HEADER.size
MINIMUM = 60
"""Shortest Ethernet frame in bytes, without its check sequence."""
MAXIMUM = 1514
"""Longest Ethernet frame in bytes, without its check sequence and without a VLAN tag."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of datagrams. MAC addresses are 6 bytes each."""

    datagrams: tuple[Datagram, ...]
    source: bytes = DEFAULT_SOURCE_MAC
    destination: bytes = BROADCAST_MAC

    def pack(self) -> bytes:
        """The frame as it goes on the wire, padded to Ethernet's minimum."""
        if not self.datagrams:
            raise MalformedError("Frame", "has no datagram: add at least one")
        last = len(self.datagrams) - 1
        body = b"".join(d.pack(more=i < last) for i, d in enumerate(self.datagrams))
        length = fits("Frame", "length", len(body), 11)
        ethernet = ETHERNET_HEADER.pack(self.destination, self.source, ETHERTYPE)
        frame = ethernet + ETHERCAT_HEADER.pack(length | TYPE_DATAGRAMS << 12) + body
        if len(frame) > MAXIMUM:
            raise MalformedError("Frame", f"is {len(frame)} bytes long, Ethernet carries {MAXIMUM}: split it")
        return frame.ljust(MINIMUM, b"\0")

    @property
    def working_counters(self) -> tuple[int, ...]:
        return tuple(d.working_counter for d in self.datagrams)


def frame_of(*datagrams: Datagram, source: bytes = DEFAULT_SOURCE_MAC) -> Frame:
    """A frame of these datagrams."""
    return Frame(tuple(datagrams), source)


def unpack_frame(data: bytes) -> Frame:
    """The frame in `data`, which begins with the Ethernet header; padding is ignored.

    Raises ShortBufferError for what ends early, MalformedError for what is not a frame of EtherCAT datagrams.
    """
    need("Frame", data, HEADERS)
    destination, source, ethertype = ETHERNET_HEADER.unpack_from(data)
    if ethertype != ETHERTYPE:
        raise MalformedError("Frame", f"has EtherType 0x{ethertype:04X}, EtherCAT is 0x{ETHERTYPE:04X}")
    (word,) = ETHERCAT_HEADER.unpack_from(data, ETHERNET_HEADER.size)
    if word >> 12 != TYPE_DATAGRAMS:
        raise MalformedError("Frame", f"has EtherCAT type {word >> 12}, datagrams are {TYPE_DATAGRAMS}")
    need("Frame", data, HEADERS + (word & 0x07FF))
    return Frame(tuple(_datagrams(data[HEADERS : HEADERS + (word & 0x07FF)])), source, destination)


def _datagrams(body: bytes) -> Sequence[Datagram]:
    found: list[Datagram] = []
    more = True
    while more:
        datagram, length, more = unpack_datagram(body)
        found.append(datagram)
        body = body[length:]
    return found
