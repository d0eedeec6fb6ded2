"""Counts receive errors and lost links of the slaves' ports (registers 0x0300 to 0x0313).

RT's housekeeping reads one slave per call and publishes the sums, which survive resets of the registers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fieldstack_ethercat.wire.registers import Register

BLOCK_BYTES = 20
"""0x0300..0x0313 in one read."""
RX_BYTES = range(8)
LINK_BYTES = range(0x10, 0x14)
CLEAR_AT = 0x80
"""The counters are bytes that stop at 255, so they are cleared well before that."""
ROUND_NS = 1_000_000_000
"""All slaves are read once in this time, or one a housekeeping pass if they are many."""


class Registers(Protocol):
    """What of `Line` is needed here."""

    def read_register(self, position: int, address: int, size: int) -> bytes | None: ...
    def write_register(self, position: int, address: int, data: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class PortErrors:
    """Errors of all ports of one slave since this process began to read them."""

    rx_errors: int = 0
    lost_links: int = 0


class ErrorCounters:
    """Reads one slave a call at most, from the housekeeping thread."""

    def __init__(self, registers: Registers, slaves: int) -> None:
        self._registers = registers
        self._last: list[bytes | None] = [None] * slaves
        self.totals = [PortErrors()] * slaves
        self._next_ns, self._at = 0, 0

    def run(self, now_ns: int) -> bool:
        """True if something was counted."""
        if not self.totals or now_ns < self._next_ns:
            return False
        self._next_ns = now_ns + ROUND_NS // len(self.totals)
        position, self._at = self._at, (self._at + 1) % len(self.totals)
        found = self._registers.read_register(position, Register.RX_ERROR_COUNTER, BLOCK_BYTES)
        return found is not None and self._count(position, found)

    def _count(self, position: int, found: bytes) -> bool:
        last, before = self._last[position], self.totals[position]
        self._last[position] = found
        if last is not None:  # what was counted before this process came is not its own
            rx, links = (_gained(last, found, places) for places in (RX_BYTES, LINK_BYTES))
            self.totals[position] = PortErrors(before.rx_errors + rx, before.lost_links + links)
        if max(found[at] for at in (*RX_BYTES, *LINK_BYTES)) >= CLEAR_AT:
            self._clear(position)
        return self.totals[position] != before

    def _clear(self, position: int) -> None:
        for register in (Register.RX_ERROR_COUNTER, Register.LOST_LINK_COUNTER):
            self._registers.write_register(position, register, b"\0")
        self._last[position] = bytes(BLOCK_BYTES)


def _gained(last: bytes, found: bytes, places: range) -> int:
    """A byte that is less than before was cleared, or its slave was without power: it began again."""
    return sum(found[at] - last[at] if found[at] >= last[at] else found[at] for at in places)
