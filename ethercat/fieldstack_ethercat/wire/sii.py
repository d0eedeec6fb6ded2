"""The SII EEPROM image: identity, mailbox and categories (ETG.1000.6, 5.4, tables 16 to 25; ETG.2010).

The image is a sequence of little-endian 16-bit words; word addresses here are those of the standard.
The scan and a slave that comes late are read with it; the virtual slaves' images are made with it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from fieldstack_ethercat.wire.errors import MalformedError, need
from fieldstack_ethercat.wire.sii_categories import (
    Category,
    SiiGeneral,
    SiiPdo,
    SiiSyncManager,
    pack_category,
    pack_pdos,
    pack_strings,
    unpack_pdos,
    unpack_strings,
)

FIRST_CATEGORY = 0x40
"""Word address at which the categories begin."""
HEADER_BYTES = 2 * FIRST_CATEGORY
MAILBOX_COE = 0x0004
_IDENTITY = struct.Struct("<IIII")
_MAILBOX = struct.Struct("<HHHHH")


@dataclass(frozen=True, slots=True)
class SiiIdentity:
    """Words 0x08 to 0x0F."""

    vendor: int
    product: int
    revision: int
    serial: int = 0


@dataclass(frozen=True, slots=True)
class SiiMailbox:
    """Words 0x18 to 0x1C: the standard mailbox, starts and lengths in bytes.

    `out` is written by the master.
    """

    out_start: int
    out_length: int
    in_start: int
    in_length: int
    protocols: int = MAILBOX_COE


@dataclass(frozen=True, slots=True)
class SiiImage:
    """What an SII EEPROM says of its slave.

    `fmmus` holds the use of each FMMU (1 outputs, 2 inputs, 3 mailbox state, 0xFF none); `tx_pdos` are the
    slave's inputs, `rx_pdos` its outputs. `general` refers to `strings` by number, from 1; 0 is none.
    """

    identity: SiiIdentity
    mailbox: SiiMailbox | None = None
    general: SiiGeneral = field(default_factory=SiiGeneral)
    strings: tuple[str, ...] = ()
    fmmus: tuple[int, ...] = ()
    sync_managers: tuple[SiiSyncManager, ...] = ()
    tx_pdos: tuple[SiiPdo, ...] = ()
    rx_pdos: tuple[SiiPdo, ...] = ()
    pdi_control: int = 0x0005
    alias: int = 0

    @property
    def name(self) -> str:
        """The device's name, empty if it has none."""
        index = self.general.name
        return self.strings[index - 1] if 0 < index <= len(self.strings) else ""

    def pack(self, size: int = 2048) -> bytes:
        """The image, filled with 0xFF to `size` bytes; MalformedError if it needs more."""
        image = self._header(size) + b"".join(self._categories()) + b"\xff\xff"
        if len(image) > size:
            raise MalformedError("SiiImage", f"needs {len(image)} bytes, the EEPROM has {size}")
        return image.ljust(size, b"\xff")

    def _header(self, size: int) -> bytes:
        header = bytearray(HEADER_BYTES)
        struct.pack_into("<HHHHH", header, 0, self.pdi_control, 0, 0, 0, self.alias)
        struct.pack_into("<H", header, 14, checksum(header))
        identity = self.identity
        _IDENTITY.pack_into(header, 16, identity.vendor, identity.product, identity.revision, identity.serial)
        if self.mailbox:
            box = self.mailbox
            _MAILBOX.pack_into(
                header, 48, box.out_start, box.out_length, box.in_start, box.in_length, box.protocols
            )
        struct.pack_into("<HH", header, 124, size // 128 - 1, 1)
        return bytes(header)

    def _categories(self) -> Iterator[bytes]:
        if self.strings:
            yield pack_category(Category.STRINGS, pack_strings(self.strings))
        yield pack_category(Category.GENERAL, self.general.pack())
        if self.fmmus:
            yield pack_category(Category.FMMU, bytes(self.fmmus), fill=0xFF)
        if self.sync_managers:
            yield pack_category(Category.SYNC_MANAGER, b"".join(sm.pack() for sm in self.sync_managers))
        if self.tx_pdos:
            yield pack_category(Category.TX_PDO, pack_pdos(self.tx_pdos))
        if self.rx_pdos:
            yield pack_category(Category.RX_PDO, pack_pdos(self.rx_pdos))


def checksum(image: bytes | bytearray) -> int:
    """Word 7: CRC of bytes 0 to 13, polynomial x^8 + x^2 + x + 1, start value 0xFF."""
    need("SiiImage checksum", image, 14)
    crc = 0xFF
    for byte in image[:14]:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def unpack_sii(data: bytes) -> SiiImage:
    """The image in `data`.

    Raises ShortBufferError if it ends early, also within a category, MalformedError for a wrong checksum.
    """
    need("SiiImage", data, HEADER_BYTES)
    stored = data[14]
    if stored != checksum(data):
        raise MalformedError("SiiImage", f"checksum is 0x{stored:02X}, should be 0x{checksum(data):02X}")
    found = dict(_walk(data))
    pdi_control, alias = struct.unpack_from("<H6xH", data)
    general = found.get(Category.GENERAL)
    return SiiImage(
        identity=SiiIdentity(*_IDENTITY.unpack_from(data, 16)),
        mailbox=_mailbox(data),
        general=SiiGeneral.unpack(general) if general is not None else SiiGeneral(),
        strings=unpack_strings(found.get(Category.STRINGS, b"")),
        fmmus=tuple(found.get(Category.FMMU, b"")),
        sync_managers=_sync_managers(found.get(Category.SYNC_MANAGER, b"")),
        tx_pdos=unpack_pdos(found.get(Category.TX_PDO, b"")),
        rx_pdos=unpack_pdos(found.get(Category.RX_PDO, b"")),
        pdi_control=pdi_control,
        alias=alias,
    )


def _mailbox(data: bytes) -> SiiMailbox | None:
    box = SiiMailbox(*_MAILBOX.unpack_from(data, 48))
    return box if box.out_length else None


def _sync_managers(data: bytes) -> tuple[SiiSyncManager, ...]:
    return tuple(SiiSyncManager.unpack(data[at : at + 8]) for at in range(0, len(data) - len(data) % 8, 8))


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = HEADER_BYTES
    while True:
        need("SiiImage category", data[at:], 2)
        (kind,) = struct.unpack_from("<H", data, at)
        if kind == Category.END:
            return
        need("SiiImage category", data[at:], 4)
        (words,) = struct.unpack_from("<H", data, at + 2)
        need(f"SiiImage category {kind}", data[at + 4 :], 2 * words)
        yield kind, bytes(data[at + 4 : at + 4 + 2 * words])
        at += 4 + 2 * words
