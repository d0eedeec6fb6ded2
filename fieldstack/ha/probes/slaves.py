"""Measures what RT's housekeeping last read of the slaves: lost, AL errors, receive errors, clock.

Non-RT asks it in each pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.measures import FACTS, FactKind, Measure
from fieldstack.ha.probes.view import View
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore.layout import MAX_SLAVES, NO_DC

_AL_ERROR = 0x10
_KINDS = (FactKind.SLAVE_LOST, FactKind.SLAVE_AL_ERROR, FactKind.SLAVE_RX_ERRORS, FactKind.DC_LOST)
_YOUNG_MS = min(FACTS[kind].age_ms for kind in _KINDS)


class Slaves:
    """Makes new measures when RT has read again; repeats them until they are too old for their kind."""

    def __init__(self, view: View, cell: CellMap) -> None:
        self._view, self._cell = view, cell
        self._read_ns = 0
        self._last: tuple[Measure, ...] = ()

    def measures(self, now_ns: int) -> Iterable[Measure]:
        bus = self._view.rt_bus
        if bus is None or not int(bus.read_ns):
            self._read_ns, self._last = 0, ()
            return ()
        if int(bus.read_ns) != self._read_ns:
            self._read_ns, self._last = int(bus.read_ns), tuple(self._of(bus))
        age_ms = (now_ns - self._read_ns) / NS_PER_MS
        if age_ms <= _YOUNG_MS:
            return self._last
        return (one for one in self._last if age_ms <= FACTS[one.fact].age_ms)

    def _of(self, bus: Any) -> Iterator[Measure]:
        for position in range(min(int(bus.slave_count), MAX_SLAVES)):
            slave, subject = bus.slaves[position], self._cell.slave(position)
            al_state, code, lost = int(slave.al_state), int(slave.al_status_code), int(slave.lost)
            gone = lost or not al_state
            text = (
                "" if not gone else f"stays in AL state 0x{al_state:02X}" if al_state else "does not answer"
            )
            yield Measure(FactKind.SLAVE_LOST, subject, float(bool(gone)), text)
            yield Measure(
                FactKind.SLAVE_AL_ERROR,
                subject,
                float(code or 1) if al_state & _AL_ERROR else 0.0,
                f"AL state 0x{al_state:02X}, AL status code 0x{code:04X}" if al_state & _AL_ERROR else "",
            )
            yield Measure(
                FactKind.SLAVE_RX_ERRORS,
                subject,
                float(slave.rx_errors),
                f"lost links: {int(slave.lost_links)}" if slave.lost_links else "",
            )
            difference = int(slave.dc_difference_ns)
            if difference != NO_DC:
                yield Measure(FactKind.DC_LOST, subject, float(abs(difference)), f"{difference} ns")
