"""Reads and writes the PDO assignment (0x1C12, 0x1C13) and mapping (0x16xx, 0x1Axx) of a slave over CoE.

A mapping here is a tuple of `(PDO index, mapping parameters)`, a parameter being index, subindex and length
in bits in one 32-bit word (ETG.1000.6, 5.6.7.4.7).
"""

from __future__ import annotations

from typing import Protocol

from fieldstack_ethercat.bus.plan import Pdo

RX_ASSIGN = 0x1C12
TX_ASSIGN = 0x1C13
BUFFER = 2 + 4 * 255

Mapping = tuple[tuple[int, tuple[int, ...]], ...]


class SdoAccess(Protocol):
    """What of pysoem's CdefSlave is used here."""

    def sdo_read(self, index: int, subindex: int, size: int = 0, ca: bool = False) -> bytes: ...
    def sdo_write(self, index: int, subindex: int, data: bytes, ca: bool = False) -> None: ...


def mapping_of(pdos: tuple[Pdo, ...]) -> Mapping:
    """The mapping that a plan asks for."""
    return tuple((pdo.index, tuple(entry.mapping for entry in pdo.entries)) for pdo in pdos)


def read(slave: SdoAccess, assign: int, complete_access: bool) -> Mapping:
    """The mapping a device has in one direction. pysoem's exceptions pass through."""
    pdos = _read_list(slave, assign, 2, complete_access)
    return tuple((pdo, _read_list(slave, pdo, 4, complete_access)) for pdo in pdos)


def _read_list(slave: SdoAccess, index: int, width: int, complete_access: bool) -> tuple[int, ...]:
    """Subindexes 1 and up of an object whose subindex 0 is their number."""
    if complete_access:
        raw = slave.sdo_read(index, 0, BUFFER, ca=True)
        count, body = raw[0], raw[2:]
        parts = [body[at : at + width] for at in range(0, count * width, width)]
    else:
        count = slave.sdo_read(index, 0)[0]
        parts = [slave.sdo_read(index, sub + 1)[:width] for sub in range(count)]
    return tuple(int.from_bytes(part, "little") for part in parts)


def write(slave: SdoAccess, assign: int, wanted: Mapping) -> None:
    """Give a device a mapping, in the order ETG.1000.6 asks for: unassign, map, assign.

    A PDO whose mapping parameters are fixed refuses to be written; its SdoError passes through.
    """
    slave.sdo_write(assign, 0, b"\x00")
    for pdo, parameters in wanted:
        if _read_list(slave, pdo, 4, complete_access=False) == parameters:
            continue
        slave.sdo_write(pdo, 0, b"\x00")
        for sub, parameter in enumerate(parameters, start=1):
            slave.sdo_write(pdo, sub, parameter.to_bytes(4, "little"))
        slave.sdo_write(pdo, 0, bytes([len(parameters)]))
    for sub, (pdo, _) in enumerate(wanted, start=1):
        slave.sdo_write(assign, sub, pdo.to_bytes(2, "little"))
    slave.sdo_write(assign, 0, bytes([len(wanted)]))


def text(mapping: Mapping) -> str:
    """A mapping for people: `0x1600[6040:00/16 6060:00/8]`."""
    parts = []
    for pdo, parameters in mapping:
        entries = " ".join(f"{word >> 16:04X}:{word >> 8 & 0xFF:02X}/{word & 0xFF}" for word in parameters)
        parts.append(f"0x{pdo:04X}[{entries}]")
    return " ".join(parts) or "nothing"
