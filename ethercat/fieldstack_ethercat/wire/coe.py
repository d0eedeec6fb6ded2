"""CAN application protocol over EtherCAT: its header and its emergency message (ETG.1000.6, 5.6).

SDO services are in `sdo`, the SDO information service is in `sdo_info`, abort codes are in `sdo_abort`.
The master's CoE client and the virtual slaves' servers use it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from fieldstack_ethercat.wire.errors import fits, need

_HEADER = struct.Struct("<H")
HEADER_SIZE = _HEADER.size
_EMERGENCY = struct.Struct("<HB5s")


class CoeService(IntEnum):
    """What a CoE telegram carries."""

    EMERGENCY = 1
    SDO_REQUEST = 2
    SDO_RESPONSE = 3
    TX_PDO = 4
    RX_PDO = 5
    TX_PDO_REMOTE_REQUEST = 6
    RX_PDO_REMOTE_REQUEST = 7
    SDO_INFORMATION = 8


@dataclass(frozen=True, slots=True)
class CoeMessage:
    """The data of a CoE telegram. `number` is the PDO's number, 0 in all other services.

    `service` is a CoeService, or another number as read.
    """

    service: int
    payload: bytes
    number: int = 0

    def pack(self) -> bytes:
        """Header and payload. Raises FieldRangeError if a field does not fit."""
        number = fits("CoeMessage", "number", self.number, 9)
        return _HEADER.pack(number | fits("CoeMessage", "service", self.service, 4) << 12) + self.payload

    @classmethod
    def unpack(cls, data: bytes) -> CoeMessage:
        """From a telegram's data. Raises ShortBufferError if the header is cut short."""
        need("CoE header", data, HEADER_SIZE)
        (header,) = _HEADER.unpack_from(data)
        return cls(service=header >> 12, payload=bytes(data[HEADER_SIZE:]), number=header & 0x1FF)


@dataclass(frozen=True, slots=True)
class Emergency:
    """Error code as in 0x603F, error register as in 0x1001, five bytes of the maker's own."""

    error_code: int
    error_register: int = 0
    data: bytes = bytes(5)

    def pack(self) -> bytes:
        """The payload of a CoE message of service EMERGENCY."""
        code = fits("Emergency", "error_code", self.error_code, 16)
        register = fits("Emergency", "error_register", self.error_register, 8)
        return _EMERGENCY.pack(code, register, self.data)

    @classmethod
    def unpack(cls, payload: bytes) -> Emergency:
        """Raises ShortBufferError if it is cut short."""
        need("Emergency", payload, _EMERGENCY.size)
        return cls(*_EMERGENCY.unpack_from(payload))
