"""AL states of the slaves as the master reads them, and what to do about their AL status codes.

Bring-up, recovery and RT's housekeeping read them; people see the hints.
"""

from __future__ import annotations

from dataclasses import dataclass

from fieldstack_ethercat.wire.al import ERROR, STATE_MASK, AlState, code_text, state_text

HINTS: dict[int, str] = {
    0x0001: "The slave gives no reason: read its own diagnosis (object 0x10F3) or power it off and on.",
    0x0003: "The slave's firmware failed to start: power it off and on.",
    0x0011: "A state was skipped: configure the bus again.",
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
    0x0021: "It needs INIT: power the slave off and on, or configure the bus again.",
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


@dataclass(frozen=True, slots=True)
class SlaveState:
    """AL status (0x0130) and AL status code (0x0134) of one slave as read; `status` 0: it does not answer."""

    position: int
    name: str
    status: int
    al_status_code: int = 0

    @property
    def state(self) -> AlState | None:
        """The AL state; None if the slave does not answer."""
        low = self.status & STATE_MASK
        return AlState(low) if low in KNOWN_STATES else None

    @property
    def error(self) -> bool:
        return bool(self.status & ERROR)

    @property
    def answers(self) -> bool:
        return self.state is not None

    @property
    def state_text(self) -> str:
        return state_text(self.status) if self.answers else "no answer"

    def text(self) -> str:
        """For example `position 2 (drive-3): SAFE-OP + error 0x001B: sync manager watchdog`."""
        code = f" 0x{self.al_status_code:04X}: {code_text(self.al_status_code)}" if self.error else ""
        return f"position {self.position} ({self.name}): {self.state_text}{code}"


KNOWN_STATES = frozenset(AlState)
