"""Reads and writes the PDO assignment (0x1C12, 0x1C13) and mapping (0x16xx, 0x1Axx) of a slave over CoE.

A mapping here is a tuple of `(PDO index, mapping parameters)`, a parameter being index, subindex and length
in bits in one 32-bit word (ETG.1000.6, 5.6.7.4.7). Transfers are scripts (`script.py`).
Bring-up, recovery and scan use it.
"""

from __future__ import annotations

from typing import Protocol

from fieldstack_ethercat.bus.config.slave_plan import Pdo
from fieldstack_ethercat.bus.errors import SdoAbortedError
from fieldstack_ethercat.bus.script import Script

RX_ASSIGN = 0x1C12
TX_ASSIGN = 0x1C13
ABORT_NO_OBJECT = 0x06020000
"""A device without outputs has no 0x1C12, one without inputs no 0x1C13."""

Mapping = tuple[tuple[int, tuple[int, ...]], ...]


class SdoAccess(Protocol):
    """Objects of one slave. SdoAbortedError if it refuses, MailboxSilentError if it does not answer."""

    def upload(self, index: int, sub: int, complete: bool = False) -> Script[bytes]: ...
    def download(self, index: int, sub: int, data: bytes, complete: bool = False) -> Script[None]: ...


def mapping_of(pdos: tuple[Pdo, ...]) -> Mapping:
    """The mapping that a plan asks for."""
    return tuple((pdo.index, tuple(entry.mapping for entry in pdo.entries)) for pdo in pdos)


def read(slave: SdoAccess, assign: int, complete_access: bool) -> Script[Mapping]:
    """A device's mapping in one direction, by the quickest way that it understands; empty if it has none."""
    if complete_access:
        try:
            return (yield from _read(slave, assign, complete_access=True))
        except SdoAbortedError:
            pass  # some devices announce complete access and refuse it for these objects
    try:
        return (yield from _read(slave, assign, complete_access=False))
    except SdoAbortedError as error:
        if error.abort_code == ABORT_NO_OBJECT:
            return ()
        raise


def _read(slave: SdoAccess, assign: int, complete_access: bool) -> Script[Mapping]:
    pdos = yield from _read_list(slave, assign, 2, complete_access)
    found = []
    for pdo in pdos:
        found.append((pdo, (yield from _read_list(slave, pdo, 4, complete_access))))
    return tuple(found)


def _read_list(slave: SdoAccess, index: int, width: int, complete_access: bool) -> Script[tuple[int, ...]]:
    """Subindexes 1 and up of an object whose subindex 0 is their number."""
    if complete_access:
        raw = yield from slave.upload(index, 0, True)
        count, body = raw[0], raw[2:]
        parts = [body[at : at + width] for at in range(0, count * width, width)]
    else:
        count, parts = (yield from slave.upload(index, 0))[0], []
        for sub in range(1, count + 1):
            parts.append((yield from slave.upload(index, sub))[:width])
    return tuple(int.from_bytes(part, "little") for part in parts)


def write(slave: SdoAccess, assign: int, wanted: Mapping) -> Script[None]:
    """Give a device a mapping, in the order ETG.1000.6 asks for: unassign, map, assign.

    A PDO whose mapping parameters are fixed refuses to be written; its SdoAbortedError passes through.
    """
    yield from slave.download(assign, 0, b"\x00")
    for pdo, parameters in wanted:
        if (yield from _read_list(slave, pdo, 4, complete_access=False)) == parameters:
            continue
        yield from slave.download(pdo, 0, b"\x00")
        for sub, parameter in enumerate(parameters, start=1):
            yield from slave.download(pdo, sub, parameter.to_bytes(4, "little"))
        yield from slave.download(pdo, 0, bytes([len(parameters)]))
    for sub, (pdo, _) in enumerate(wanted, start=1):
        yield from slave.download(assign, sub, pdo.to_bytes(2, "little"))
    yield from slave.download(assign, 0, bytes([len(wanted)]))


def text(mapping: Mapping) -> str:
    """A mapping for people: `0x1600[6040:00/16 6060:00/8]`."""
    parts = []
    for pdo, parameters in mapping:
        entries = " ".join(f"{word >> 16:04X}:{word >> 8 & 0xFF:02X}/{word & 0xFF}" for word in parameters)
        parts.append(f"0x{pdo:04X}[{entries}]")
    return " ".join(parts) or "nothing"
