"""Reads how far each distributed clock is from the reference clock (register 0x092C), one a call, in turn.

RT's housekeeping calls it and publishes what it finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.wire.registers import Register, clock_difference
from fieldstack_rt.datastore.layout import NO_DC

ROUND_NS = 1_000_000_000
"""All clocks are read once in this time, or one a housekeeping pass if they are many."""


class ClockBus(Protocol):
    """What of `Bus` is needed here."""

    @property
    def clock_positions(self) -> tuple[int, ...]: ...
    def maintain_clocks(self, states: Sequence[SlaveState]) -> tuple[int, ...]: ...


class Registers(Protocol):
    """What of `Line` is needed here."""

    def read_register(self, position: int, address: int, size: int) -> bytes | None: ...


class ClockDifferences:
    """Reads one clock a call at most, from the housekeeping thread."""

    def __init__(self, bus: ClockBus, registers: Registers) -> None:
        self._bus, self._registers = bus, registers
        self._found: dict[int, int] = {}
        self._next_ns, self._at = 0, 0

    def maintain(self, states: Sequence[SlaveState]) -> None:
        """After states were read and before anything is done about them: clocks of slaves that came back are
        aligned, and what was read of a slave that does not answer is void."""
        self._bus.maintain_clocks(states)
        for state in states:
            if not state.answers:
                self._found.pop(state.position, None)

    def run(self, now_ns: int) -> None:
        positions = self._bus.clock_positions
        if not positions or now_ns < self._next_ns:
            return
        self._next_ns = now_ns + ROUND_NS // len(positions)
        position, self._at = positions[self._at % len(positions)], self._at + 1
        raw = self._registers.read_register(position, Register.DC_SYSTEM_TIME_DIFFERENCE, 4)
        if raw is not None:
            self._found[position] = clock_difference(raw)

    def of(self, position: int) -> int:
        """Difference in ns, as last read: own time minus the reference's. NO_DC: no clock, or no answer."""
        return self._found.get(position, NO_DC)
