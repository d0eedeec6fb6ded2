"""Categories of the SII EEPROM (ETG.1000.6, tables 19 to 25; ETG.2010, tables 7 to 15).

`sii.py` reads and writes an image's categories with them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from fieldstack_ethercat.wire.errors import MalformedError, fits, need


class Category(IntEnum):
    """Category types."""

    STRINGS = 10
    GENERAL = 30
    FMMU = 40
    SYNC_MANAGER = 41
    TX_PDO = 50
    RX_PDO = 51
    END = 0xFFFF


COE_SDO = 0x01
COE_SDO_INFO = 0x02
COE_PDO_ASSIGN = 0x04
COE_PDO_CONFIG = 0x08
COE_UPLOAD_AT_STARTUP = 0x10
COE_SDO_COMPLETE_ACCESS = 0x20

_GENERAL = struct.Struct("<BBBBxBBBBBBBhBxHH12x")
_SYNC_MANAGER = struct.Struct("<HHBBBB")
_PDO = struct.Struct("<HBBBBH")
_ENTRY = struct.Struct("<HBBBBH")


def pack_category(kind: Category, data: bytes, fill: int = 0) -> bytes:
    """A category with its header; data is filled to whole words."""
    if len(data) % 2:
        data += bytes([fill])
    return struct.pack("<HH", kind, fits("Category", "words", len(data) // 2, 16)) + data


def pack_strings(strings: Sequence[str]) -> bytes:
    """Number of strings, then each with its length (Latin-1, at most 255 characters)."""
    packed = [fits("Strings", "count", len(strings), 8).to_bytes(1, "little")]
    for text in strings:
        encoded = text.encode("latin-1")
        packed.append(bytes([fits("Strings", "length", len(encoded), 8)]) + encoded)
    return b"".join(packed)


def unpack_strings(data: bytes) -> tuple[str, ...]:
    """The strings in a category's data; none in empty data."""
    if not data:
        return ()
    found: list[str] = []
    at = 1
    for _ in range(data[0]):
        need("Strings", data, at + 1)
        end = at + 1 + data[at]
        need("Strings", data, end)
        found.append(data[at + 1 : end].decode("latin-1"))
        at = end
    return tuple(found)


@dataclass(frozen=True, slots=True)
class SiiGeneral:
    """General category. `group`, `image`, `order` and `name` are string numbers; `ebus_current` in mA."""

    group: int = 0
    image: int = 0
    order: int = 0
    name: int = 0
    coe_details: int = 0
    foe_details: int = 0
    eoe_details: int = 0
    flags: int = 0
    ebus_current: int = 0
    physical_ports: int = 0x0011

    def pack(self) -> bytes:
        """The category's 32 bytes."""
        return _GENERAL.pack(
            self.group,
            self.image,
            self.order,
            self.name,
            self.coe_details,
            self.foe_details,
            self.eoe_details,
            0,
            0,
            0,
            self.flags,
            self.ebus_current,
            self.group,
            self.physical_ports,
            0,
        )

    @classmethod
    def unpack(cls, data: bytes) -> SiiGeneral:
        need("SiiGeneral", data, _GENERAL.size)
        v = _GENERAL.unpack_from(data)
        return cls(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[10], v[11], v[13])


@dataclass(frozen=True, slots=True)
class SiiSyncManager:
    """Start settings of a sync manager. `use`: 1 mailbox out, 2 mailbox in, 3 outputs, 4 inputs."""

    start: int
    length: int
    control: int
    use: int
    enable: int = 1

    def pack(self) -> bytes:
        return _SYNC_MANAGER.pack(self.start, self.length, self.control, 0, self.enable, self.use)

    @classmethod
    def unpack(cls, data: bytes) -> SiiSyncManager:
        need("SiiSyncManager", data, _SYNC_MANAGER.size)
        start, length, control, _, enable, use = _SYNC_MANAGER.unpack_from(data)
        return cls(start, length, control, use, enable)


@dataclass(frozen=True, slots=True)
class SiiPdoEntry:
    """An entry of a PDO; `name` is a string number, `data_type` as in ETG.1000.6, table 64."""

    index: int
    sub: int
    bits: int
    name: int = 0
    data_type: int = 0

    def pack(self) -> bytes:
        bits = fits("SiiPdoEntry", "bits", self.bits, 8)
        return _ENTRY.pack(self.index, self.sub, self.name, self.data_type, bits, 0)


@dataclass(frozen=True, slots=True)
class SiiPdo:
    """A PDO and the sync manager it belongs to; 0xFF for none."""

    index: int
    sync_manager: int
    entries: tuple[SiiPdoEntry, ...]
    name: int = 0
    flags: int = 0

    @property
    def bits(self) -> int:
        return sum(entry.bits for entry in self.entries)

    def pack(self) -> bytes:
        count = fits("SiiPdo", "entries", len(self.entries), 8)
        head = _PDO.pack(self.index, count, self.sync_manager, 0, self.name, self.flags)
        return head + b"".join(entry.pack() for entry in self.entries)


def pack_pdos(pdos: Sequence[SiiPdo]) -> bytes:
    """A PDO category's data."""
    return b"".join(pdo.pack() for pdo in pdos)


def unpack_pdos(data: bytes) -> tuple[SiiPdo, ...]:
    """The PDOs in a category's data; MalformedError if entries run over its end."""
    found: list[SiiPdo] = []
    at = 0
    while at + _PDO.size <= len(data):
        index, count, sync_manager, _, name, flags = _PDO.unpack_from(data, at)
        at += _PDO.size
        if at + count * _ENTRY.size > len(data):
            raise MalformedError("SiiPdo", f"0x{index:04X}: its category does not hold {count} entries")
        entries = tuple(_entry(data, at + i * _ENTRY.size) for i in range(count))
        at += count * _ENTRY.size
        found.append(SiiPdo(index, sync_manager, entries, name, flags))
    return tuple(found)


def _entry(data: bytes, at: int) -> SiiPdoEntry:
    index, sub, name, data_type, bits, _ = _ENTRY.unpack_from(data, at)
    return SiiPdoEntry(index, sub, bits, name, data_type)
