"""The SDO information service: which objects a slave has, and what they are (ETG.1000.6, 5.6.3).

Each structure packs to, and is read from, the data that follows the service's header. Long answers come in
fragments.
The virtual slaves answer with it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from fieldstack_ethercat.wire.errors import MalformedError, fits, need

_HEADER = struct.Struct("<BBH")
HEADER_SIZE = _HEADER.size
_INCOMPLETE = 0x80
_OBJECT = struct.Struct("<HHBB")
_ENTRY_REQUEST = struct.Struct("<HBB")
_ENTRY = struct.Struct("<HBBHHH")
_WORD = struct.Struct("<H")
_ERROR = struct.Struct("<I")


class Opcode(IntEnum):
    OD_LIST_REQUEST = 1
    OD_LIST_RESPONSE = 2
    OBJECT_REQUEST = 3
    OBJECT_RESPONSE = 4
    ENTRY_REQUEST = 5
    ENTRY_RESPONSE = 6
    ERROR = 7


class ListType(IntEnum):
    """Which objects a list names; LENGTHS asks for the lengths of the other five lists."""

    LENGTHS = 0
    ALL = 1
    RX_MAPPABLE = 2
    TX_MAPPABLE = 3
    BACKUP = 4
    SETTINGS = 5


class ObjectCode(IntEnum):
    VAR = 7
    ARRAY = 8
    RECORD = 9


class DataType(IntEnum):
    """Base data types by their index (ETG.1020, table 98)."""

    BOOLEAN = 0x0001
    INTEGER8 = 0x0002
    INTEGER16 = 0x0003
    INTEGER32 = 0x0004
    UNSIGNED8 = 0x0005
    UNSIGNED16 = 0x0006
    UNSIGNED32 = 0x0007
    REAL32 = 0x0008
    VISIBLE_STRING = 0x0009
    OCTET_STRING = 0x000A
    REAL64 = 0x0011
    INTEGER64 = 0x0015
    UNSIGNED64 = 0x001B
    PDO_MAPPING = 0x0021
    IDENTITY = 0x0023


class Access(IntFlag):
    """Object access as in the entry description: rights by AL state, and PDO mapping."""

    READ_PREOP = 0x01
    READ_SAFEOP = 0x02
    READ_OP = 0x04
    WRITE_PREOP = 0x08
    WRITE_SAFEOP = 0x10
    WRITE_OP = 0x20
    RX_MAPPABLE = 0x40
    TX_MAPPABLE = 0x80
    BACKUP = 0x100
    SETTING = 0x200
    READ = READ_PREOP | READ_SAFEOP | READ_OP
    WRITE = WRITE_PREOP | WRITE_SAFEOP | WRITE_OP
    RW = READ | WRITE
    RW_PREOP = READ | WRITE_PREOP


class ValueInfo(IntFlag):
    """What an entry description holds besides type, length and access."""

    ACCESS_RIGHTS = 0x01
    CATEGORY = 0x02
    PDO_MAPPING = 0x04
    UNIT = 0x08
    DEFAULT = 0x10
    MINIMUM = 0x20
    MAXIMUM = 0x40


@dataclass(frozen=True, slots=True)
class SdoInfoMessage:
    """One fragment; `opcode` is an Opcode, or another number as read."""

    opcode: int
    data: bytes
    fragments_left: int = 0

    def pack(self) -> bytes:
        opcode = fits("SdoInfoMessage", "opcode", self.opcode, 7)
        left = fits("SdoInfoMessage", "fragments_left", self.fragments_left, 16)
        return _HEADER.pack(opcode | (_INCOMPLETE if left else 0), 0, left) + self.data

    @classmethod
    def unpack(cls, payload: bytes) -> SdoInfoMessage:
        """Raises ShortBufferError if the header is cut short."""
        need("SDO information header", payload, HEADER_SIZE)
        opcode, _, left = _HEADER.unpack_from(payload)
        return cls(opcode & ~_INCOMPLETE, bytes(payload[HEADER_SIZE:]), left)


def pack_words(first: int, words: tuple[int, ...] = ()) -> bytes:
    """A list type, and the indexes or lengths of an OD list; also the index of an object request."""
    return struct.pack(f"<{1 + len(words)}H", first, *words)


def unpack_words(structure: str, data: bytes) -> tuple[int, tuple[int, ...]]:
    """The reverse of `pack_words`. Raises ShortBufferError, or MalformedError for half a word."""
    need(structure, data, _WORD.size)
    if len(data) % _WORD.size:
        raise MalformedError(structure, f"{len(data)} bytes do not hold whole words")
    words = struct.unpack(f"<{len(data) // 2}H", data)
    return words[0], words[1:]


def pack_error(code: int) -> bytes:
    return _ERROR.pack(code)


def unpack_error(data: bytes) -> int:
    """The abort code of an ERROR. Raises ShortBufferError."""
    need("SDO information error", data, _ERROR.size)
    return int(_ERROR.unpack_from(data)[0])


@dataclass(frozen=True, slots=True)
class ObjectDescription:
    """An object as a whole; `max_subindex` is the highest that it can have."""

    index: int
    data_type: int
    max_subindex: int
    object_code: int
    name: str

    def pack(self) -> bytes:
        fixed = _OBJECT.pack(self.index, self.data_type, self.max_subindex, self.object_code)
        return fixed + self.name.encode("ascii")

    @classmethod
    def unpack(cls, data: bytes) -> ObjectDescription:
        """Raises ShortBufferError."""
        need("ObjectDescription", data, _OBJECT.size)
        index, data_type, max_subindex, code = _OBJECT.unpack_from(data)
        return cls(index, data_type, max_subindex, code, data[_OBJECT.size :].decode("ascii", "replace"))


@dataclass(frozen=True, slots=True)
class EntryRequest:
    """Asks for one entry's description, with what `value_info` (ValueInfo) names."""

    index: int
    subindex: int
    value_info: int

    def pack(self) -> bytes:
        return _ENTRY_REQUEST.pack(self.index, self.subindex, self.value_info)

    @classmethod
    def unpack(cls, data: bytes) -> EntryRequest:
        """Raises ShortBufferError."""
        need("EntryRequest", data, _ENTRY_REQUEST.size)
        return cls(*_ENTRY_REQUEST.unpack_from(data))


@dataclass(frozen=True, slots=True)
class EntryDescription:
    """One entry. `extras`: default, minimum and maximum as far as `value_info` names them, then the name."""

    index: int
    subindex: int
    value_info: int
    data_type: int
    bit_length: int
    access: int
    extras: bytes

    def pack(self) -> bytes:
        fixed = (self.index, self.subindex, self.value_info, self.data_type, self.bit_length, self.access)
        return _ENTRY.pack(*fixed) + self.extras

    @classmethod
    def unpack(cls, data: bytes) -> EntryDescription:
        """Raises ShortBufferError."""
        need("EntryDescription", data, _ENTRY.size)
        index, subindex, info, data_type, bit_length, access = _ENTRY.unpack_from(data)
        return cls(index, subindex, info, data_type, bit_length, access, bytes(data[_ENTRY.size :]))
