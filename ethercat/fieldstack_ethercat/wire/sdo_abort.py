"""SDO abort codes and the exception that carries one (ETG.1000.6, table 41; CiA 301, table 22).

The virtual slaves refuse with them, and the master's CoE client explains the refusal.
"""

from __future__ import annotations

from enum import IntEnum


class AbortCode(IntEnum):
    """Why an SDO transfer was refused; `text` says it in the standard's words."""

    TOGGLE = 0x05030000
    TIMEOUT = 0x05040000
    COMMAND = 0x05040001
    OUT_OF_MEMORY = 0x05040005
    UNSUPPORTED_ACCESS = 0x06010000
    WRITE_ONLY = 0x06010001
    READ_ONLY = 0x06010002
    SUBINDEX0_NOT_ZERO = 0x06010003
    COMPLETE_ACCESS_UNSUPPORTED = 0x06010004
    OBJECT_MAPPED = 0x06010006
    NO_OBJECT = 0x06020000
    NOT_MAPPABLE = 0x06040041
    PDO_LENGTH = 0x06040042
    PARAMETER_INCOMPATIBLE = 0x06040043
    DEVICE_INCOMPATIBLE = 0x06040047
    HARDWARE = 0x06060000
    LENGTH_MISMATCH = 0x06070010
    LENGTH_TOO_HIGH = 0x06070012
    LENGTH_TOO_LOW = 0x06070013
    NO_SUBINDEX = 0x06090011
    VALUE_RANGE = 0x06090030
    VALUE_TOO_HIGH = 0x06090031
    VALUE_TOO_LOW = 0x06090032
    MAX_BELOW_MIN = 0x06090036
    GENERAL = 0x08000000
    NOT_STORED = 0x08000020
    LOCAL_CONTROL = 0x08000021
    DEVICE_STATE = 0x08000022
    NO_DICTIONARY = 0x08000023

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS: dict[AbortCode, str] = {
    AbortCode.TOGGLE: "Toggle bit not alternated",
    AbortCode.TIMEOUT: "SDO protocol timeout",
    AbortCode.COMMAND: "Client/server command specifier not valid or unknown",
    AbortCode.OUT_OF_MEMORY: "Out of memory",
    AbortCode.UNSUPPORTED_ACCESS: "Unsupported access to an object",
    AbortCode.WRITE_ONLY: "Attempt to read a write-only object",
    AbortCode.READ_ONLY: "Attempt to write a read-only object",
    AbortCode.SUBINDEX0_NOT_ZERO: "Subindex cannot be written, subindex 0 must be 0 for write access",
    AbortCode.COMPLETE_ACCESS_UNSUPPORTED: "Complete access not supported for this object",
    AbortCode.OBJECT_MAPPED: "Object is mapped to an RxPDO, SDO download blocked",
    AbortCode.NO_OBJECT: "The object does not exist in the object dictionary",
    AbortCode.NOT_MAPPABLE: "The object cannot be mapped into the PDO",
    AbortCode.PDO_LENGTH: "Number and length of the objects to be mapped exceed the PDO length",
    AbortCode.PARAMETER_INCOMPATIBLE: "General parameter incompatibility",
    AbortCode.DEVICE_INCOMPATIBLE: "General internal incompatibility in the device",
    AbortCode.HARDWARE: "Access failed due to a hardware error",
    AbortCode.LENGTH_MISMATCH: "Data type does not match, length of service parameter does not match",
    AbortCode.LENGTH_TOO_HIGH: "Data type does not match, length of service parameter too high",
    AbortCode.LENGTH_TOO_LOW: "Data type does not match, length of service parameter too low",
    AbortCode.NO_SUBINDEX: "Subindex does not exist",
    AbortCode.VALUE_RANGE: "Value range of parameter exceeded",
    AbortCode.VALUE_TOO_HIGH: "Value of parameter written too high",
    AbortCode.VALUE_TOO_LOW: "Value of parameter written too low",
    AbortCode.MAX_BELOW_MIN: "Maximum value is less than minimum value",
    AbortCode.GENERAL: "General error",
    AbortCode.NOT_STORED: "Data cannot be transferred or stored to the application",
    AbortCode.LOCAL_CONTROL: "Data cannot be transferred or stored because of local control",
    AbortCode.DEVICE_STATE: "Data cannot be transferred or stored because of the present device state",
    AbortCode.NO_DICTIONARY: "Object dictionary not present or its dynamic generation failed",
}

_BY_NUMBER: dict[int, str] = {int(code): text for code, text in _TEXTS.items()}


def abort_text(code: int) -> str:
    """The text of any abort code, known or not."""
    return _BY_NUMBER.get(code, f"Unknown abort code 0x{code:08X}")


class SdoAbortError(Exception):
    """An access to an object that is refused. Fields: `code`, `index`, `subindex`."""

    def __init__(self, code: AbortCode, index: int = 0, subindex: int = 0) -> None:
        self.code = code
        self.index = index
        self.subindex = subindex
        super().__init__(f"object 0x{index:04X}:{subindex:02X}: {code.text} (0x{code:08X})")
