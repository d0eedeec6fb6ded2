"""The mailbox telegram: a six-byte header and one protocol's data (ETG.1000.4, 5.6).

A telegram fills the beginning of a mailbox sync manager's buffer; what follows it there has no meaning.
The master's CoE client and the virtual slaves' servers use it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from fieldstack_ethercat.wire.errors import MalformedError, fits, need

_HEADER = struct.Struct("<HHBB")
HEADER_SIZE = _HEADER.size
_ERROR = struct.Struct("<HH")
_MAILBOX_COMMAND = 0x0001
"""The error reply's only `type`: it answers a mailbox command."""


class MailboxType(IntEnum):
    """Protocol of a telegram."""

    ERROR = 0
    AOE = 1
    EOE = 2
    COE = 3
    FOE = 4
    SOE = 5
    VOE = 15


class MailboxErrorCode(IntEnum):
    """Detail of an error reply (ETG.1000.4, table 29)."""

    SYNTAX = 1
    UNSUPPORTED_PROTOCOL = 2
    INVALID_CHANNEL = 3
    SERVICE_NOT_SUPPORTED = 4
    INVALID_HEADER = 5
    SIZE_TOO_SHORT = 6
    NO_MORE_MEMORY = 7
    INVALID_SIZE = 8


@dataclass(frozen=True, slots=True)
class MailboxTelegram:
    """One telegram. `type` is a MailboxType, or another number as read.

    `address` is the station address of its source (0: the master), `priority` goes from 0 (lowest) to 3,
    `counter` from 1 to 7; it is 0 if the sender does not count.
    """

    type: int
    data: bytes
    counter: int = 0
    address: int = 0
    channel: int = 0
    priority: int = 0

    def pack(self) -> bytes:
        """Header and data. Raises FieldRangeError if a field does not fit."""
        name = "MailboxTelegram"
        placement = fits(name, "channel", self.channel, 6) | fits(name, "priority", self.priority, 2) << 6
        kind = fits(name, "type", self.type, 4) | fits(name, "counter", self.counter, 3) << 4
        length = fits(name, "length", len(self.data), 16)
        return _HEADER.pack(length, fits(name, "address", self.address, 16), placement, kind) + self.data

    @classmethod
    def unpack(cls, buffer: bytes) -> MailboxTelegram:
        """From a telegram or a whole mailbox buffer.

        Raises ShortBufferError if header or data are cut short.
        """
        need("MailboxTelegram header", buffer, HEADER_SIZE)
        length, address, placement, kind = _HEADER.unpack_from(buffer)
        need("MailboxTelegram", buffer, HEADER_SIZE + length)
        return cls(
            type=kind & 0x0F,
            data=bytes(buffer[HEADER_SIZE : HEADER_SIZE + length]),
            counter=kind >> 4 & 0x07,
            address=address,
            channel=placement & 0x3F,
            priority=placement >> 6,
        )


def next_counter(counter: int) -> int:
    """The counter that follows: 1 to 7, then 1 again; 0 means that counting has not begun."""
    return counter % 7 + 1


def error_reply(code: MailboxErrorCode, counter: int) -> MailboxTelegram:
    """The telegram that refuses a telegram."""
    return MailboxTelegram(MailboxType.ERROR, _ERROR.pack(_MAILBOX_COMMAND, code), counter)


def error_detail(telegram: MailboxTelegram) -> MailboxErrorCode:
    """The detail of an error reply.

    Raises ShortBufferError if it has none, MalformedError if it is no error reply or its detail is not known.
    """
    if telegram.type != MailboxType.ERROR:
        raise MalformedError("mailbox error reply", f"the telegram is of type {telegram.type}, not 0")
    need("mailbox error reply", telegram.data, _ERROR.size)
    detail = _ERROR.unpack_from(telegram.data)[1]
    try:
        return MailboxErrorCode(detail)
    except ValueError:
        raise MalformedError("mailbox error reply", f"detail 0x{detail:04X} is in no standard") from None
