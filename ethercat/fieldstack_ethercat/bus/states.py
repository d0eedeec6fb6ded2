"""AL states and AL status codes in words (ETG.1000.6, tables 9 and 11)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

ERROR_FLAG = 0x10
ACKNOWLEDGE_FLAG = 0x10
STATE_MASK = 0x0F


class AlState(IntEnum):
    """Low four bits of AL status (0x0130) and AL control (0x0120). NONE: the slave does not answer."""

    NONE = 0
    INIT = 1
    PRE_OP = 2
    BOOT = 3
    SAFE_OP = 4
    OP = 8

    @property
    def label(self) -> str:
        return "no answer" if self is AlState.NONE else self.name.replace("_", "-")


HINTS: dict[int, str] = {
    0x0001: "The slave gives no reason: read its own diagnosis (object 0x10F3) or power it off and on.",
    0x0003: "The slave's firmware failed to start: power it off and on.",
    0x0011: "A state was skipped: configure the bus anew.",
    0x0016: "The mailbox is set up wrongly: the SII of the slave may not fit its firmware.",
    0x0017: "A sync manager is set up wrongly: compare the PDO mapping with the device's manual.",
    0x0018: "No valid inputs: check the slave's own diagnosis.",
    0x0019: "No valid outputs: process data must be exchanged before OP is requested.",
    0x001A: "Synchronisation error: check the slave's sync settings (0x1C32, 0x1C33).",
    0x001B: "No process data within the watchdog time: the master stalled, or frames or a cable were lost.",
    0x001C: "Wrong sync manager types: the SII of the slave may not fit its firmware.",
    0x001D: "The output mapping's length is wrong: correct `pdos.rx` of this slave.",
    0x001E: "The input mapping's length is wrong: correct `pdos.tx` of this slave.",
    0x001F: "The slave refuses the watchdog time: change `watchdog_ms`.",
    0x0021: "It needs INIT: power the slave off and on, or configure the bus anew.",
    0x0024: "The slave refuses the input mapping: correct `pdos.tx`.",
    0x0025: "The slave refuses the output mapping: correct `pdos.rx`.",
    0x0026: "The slave's settings contradict each other: check its start-up SDOs.",
    0x002C: "Synchronisation was lost: the cycle or the DC clock jittered too much.",
    0x0030: "The DC settings are wrong: check the cycle time.",
    0x0035: "The slave refuses the cycle time: change `cycle_time_us`.",
    0x0050: "The slave cannot read its EEPROM: power it off and on.",
    0x0051: "The slave's EEPROM is damaged.",
}


def hint(code: int) -> str:
    """What to do about an AL status code."""
    return HINTS.get(code, "See the device's manual for this AL status code.")


def status_text(code: int) -> str:
    """An AL status code in words."""
    import pysoem

    return str(pysoem.al_status_code_to_string(code)) if code else "no error reported"


@dataclass(frozen=True, slots=True)
class SlaveState:
    """AL status of one slave as read: its state, whether the error flag is set, and its AL status code."""

    position: int
    name: str
    state: AlState
    error: bool
    al_status_code: int

    @classmethod
    def from_raw(cls, position: int, name: str, raw: int, al_status_code: int) -> SlaveState:
        """From the AL status register's value as SOEM keeps it; reserved states count as no answer."""
        low = raw & STATE_MASK
        state = AlState(low) if low in AlState._value2member_map_ else AlState.NONE
        return cls(position, name, state, bool(raw & ERROR_FLAG), al_status_code)

    @property
    def answers(self) -> bool:
        return self.state is not AlState.NONE

    def text(self) -> str:
        """For example `position 2 (drive-3): SAFE-OP with error 0x001B: Sync manager watchdog`."""
        error = ""
        if self.error:
            error = f" with error 0x{self.al_status_code:04X}: {status_text(self.al_status_code)}"
        return f"position {self.position} ({self.name}): {self.state.label}{error}"
