"""AL state machine: states, control and status words, status codes (ETG.1000.6, 5.3; texts: ETG.1020).

The master takes slaves from state to state with it; benches and tests read the segment's states by it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from fieldstack_ethercat.wire.errors import need

STATE_MASK = 0x0F
ERROR = 0x10
"""AL status: the error indication. AL control: its acknowledge."""

STATUS_LAYOUT = struct.Struct("<HHH")


class AlState(IntEnum):
    """States as AL control and AL status code them."""

    INIT = 1
    PREOP = 2
    BOOT = 3
    SAFEOP = 4
    OP = 8

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS = {
    AlState.INIT: "INIT",
    AlState.PREOP: "PRE-OP",
    AlState.BOOT: "BOOT",
    AlState.SAFEOP: "SAFE-OP",
    AlState.OP: "OP",
}


class AlStatusCode(IntEnum):
    """AL status codes (register 0x0134) that this project's slaves raise or its master explains."""

    NO_ERROR = 0x0000
    UNSPECIFIED = 0x0001
    NO_MEMORY = 0x0002
    INVALID_STATE_CHANGE = 0x0011
    UNKNOWN_STATE = 0x0012
    BOOTSTRAP_NOT_SUPPORTED = 0x0013
    NO_VALID_FIRMWARE = 0x0014
    INVALID_MAILBOX_BOOT = 0x0015
    INVALID_MAILBOX_PREOP = 0x0016
    INVALID_SYNC_MANAGERS = 0x0017
    NO_VALID_INPUTS = 0x0018
    NO_VALID_OUTPUTS = 0x0019
    SYNCHRONIZATION = 0x001A
    SM_WATCHDOG = 0x001B
    INVALID_SM_TYPES = 0x001C
    INVALID_OUTPUTS = 0x001D
    INVALID_INPUTS = 0x001E
    INVALID_WATCHDOG = 0x001F
    NEEDS_COLD_START = 0x0020
    NEEDS_INIT = 0x0021
    NEEDS_PREOP = 0x0022
    NEEDS_SAFEOP = 0x0023
    INVALID_INPUT_MAPPING = 0x0024
    INVALID_OUTPUT_MAPPING = 0x0025
    INCONSISTENT_SETTINGS = 0x0026
    FATAL_SYNC = 0x002C
    NO_SYNC = 0x002D
    INVALID_DC_SYNC = 0x0030
    PLL_ERROR = 0x0032
    MAILBOX_EOE = 0x0042
    MAILBOX_COE = 0x0043
    MAILBOX_FOE = 0x0044
    EEPROM_NO_ACCESS = 0x0050
    EEPROM_ERROR = 0x0051
    RESTARTED_LOCALLY = 0x0060


CODE_TEXTS = MappingProxyType(
    {
        AlStatusCode.NO_ERROR: "no error",
        AlStatusCode.UNSPECIFIED: "unspecified error",
        AlStatusCode.NO_MEMORY: "no memory left in the slave",
        AlStatusCode.INVALID_STATE_CHANGE: "invalid requested state change",
        AlStatusCode.UNKNOWN_STATE: "unknown requested state",
        AlStatusCode.BOOTSTRAP_NOT_SUPPORTED: "bootstrap not supported",
        AlStatusCode.NO_VALID_FIRMWARE: "no valid firmware",
        AlStatusCode.INVALID_MAILBOX_BOOT: "invalid mailbox configuration for BOOT",
        AlStatusCode.INVALID_MAILBOX_PREOP: "invalid mailbox configuration for PRE-OP",
        AlStatusCode.INVALID_SYNC_MANAGERS: "invalid sync manager configuration",
        AlStatusCode.NO_VALID_INPUTS: "no valid inputs available",
        AlStatusCode.NO_VALID_OUTPUTS: "no valid outputs: none arrived in time after OP was requested",
        AlStatusCode.SYNCHRONIZATION: "synchronization error",
        AlStatusCode.SM_WATCHDOG: "sync manager watchdog: no outputs within the watchdog time",
        AlStatusCode.INVALID_SM_TYPES: "invalid sync manager types",
        AlStatusCode.INVALID_OUTPUTS: "invalid outputs: sync manager 2 does not fit the PDO mapping",
        AlStatusCode.INVALID_INPUTS: "invalid inputs: sync manager 3 does not fit the PDO mapping",
        AlStatusCode.INVALID_WATCHDOG: "invalid watchdog configuration",
        AlStatusCode.NEEDS_COLD_START: "slave needs a cold start",
        AlStatusCode.NEEDS_INIT: "slave needs INIT",
        AlStatusCode.NEEDS_PREOP: "slave needs PRE-OP",
        AlStatusCode.NEEDS_SAFEOP: "slave needs SAFE-OP",
        AlStatusCode.INVALID_INPUT_MAPPING: "invalid input mapping",
        AlStatusCode.INVALID_OUTPUT_MAPPING: "invalid output mapping",
        AlStatusCode.INCONSISTENT_SETTINGS: "inconsistent settings",
        AlStatusCode.FATAL_SYNC: "fatal synchronization error",
        AlStatusCode.NO_SYNC: "no synchronization signal",
        AlStatusCode.INVALID_DC_SYNC: "invalid DC SYNC configuration",
        AlStatusCode.PLL_ERROR: "PLL error: master and slave clocks are not in step",
        AlStatusCode.MAILBOX_EOE: "mailbox error: EoE",
        AlStatusCode.MAILBOX_COE: "mailbox error: CoE",
        AlStatusCode.MAILBOX_FOE: "mailbox error: FoE",
        AlStatusCode.EEPROM_NO_ACCESS: "slave has no access to its EEPROM",
        AlStatusCode.EEPROM_ERROR: "EEPROM error",
        AlStatusCode.RESTARTED_LOCALLY: "slave restarted locally",
    }
)


def code_text(code: int) -> str:
    """What an AL status code means; unknown and vendors' own codes (from 0x8000) are named as such."""
    try:
        return CODE_TEXTS[AlStatusCode(code)]
    except ValueError:
        return f"{'vendor specific' if code >= 0x8000 else 'unknown'} AL status code 0x{code:04X}"


def state_text(status: int) -> str:
    """An AL status word in words, such as `SAFE-OP + error`."""
    try:
        text = AlState(status & STATE_MASK).text
    except ValueError:
        text = f"state 0x{status & STATE_MASK:X}"
    return f"{text} + error" if status & ERROR else text


def control_word(state: AlState, acknowledge: bool = False) -> bytes:
    """AL control (0x0120): 2 bytes that ask for `state` and, if so, acknowledge an error."""
    return struct.pack("<H", state | (ERROR if acknowledge else 0))


@dataclass(frozen=True, slots=True)
class AlStatus:
    """AL status (0x0130) with its code (0x0134)."""

    status: int
    code: int = 0

    @property
    def state(self) -> int:
        return self.status & STATE_MASK

    @property
    def error(self) -> bool:
        return bool(self.status & ERROR)

    @property
    def text(self) -> str:
        return f"{state_text(self.status)}: {code_text(self.code)}" if self.error else state_text(self.status)


def unpack_al_status(data: bytes) -> AlStatus:
    """The 6 bytes from 0x0130 on; ShortBufferError for fewer."""
    need("AlStatus", data, STATUS_LAYOUT.size)
    status, _, code = STATUS_LAYOUT.unpack_from(data)
    return AlStatus(status, code)
