"""Knows which planned slaves are on the wire, which may be missing, and where in the line each is now.

Each step of a bring-up and the recovery ask it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.errors import (
    AmbiguousSlavesError,
    SlavesMissingError,
    TopologyMismatchError,
)
from fieldstack_ethercat.bus.master import late_slave, topology
from fieldstack_ethercat.bus.master.missing_slaves import station_address
from fieldstack_ethercat.bus.master.slave_matching import match_slaves, nonessential_slaves
from fieldstack_ethercat.bus.master.topology import FoundSlave
from fieldstack_ethercat.bus.script import Script
from fieldstack_ethercat.bus.slave.slave_link import SlaveLink
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.bus.soem.acyclic import Acyclic
from fieldstack_ethercat.wire.registers import Register


class SlavePresence:
    """Of one bus. `nonessential`: positions that the bus comes up without; `absent`: those
    that it came up without and that have not come since."""

    def __init__(self, plan: BusPlan) -> None:
        self._plan = plan
        self.nonessential = nonessential_slaves(plan)
        self.absent: set[int] = set()
        self.answering: frozenset[int] = frozenset()
        self._planned = {station_address(slave.position): slave.position for slave in plan.slaves}

    def as_planned(self, found: Sequence[FoundSlave]) -> bool:
        """Everybody is there, and nobody else."""
        return not topology.compare(self._plan.slaves, found)

    def places_of(self, found: Sequence[FoundSlave]) -> tuple[int, ...]:
        """The planned position of each slave found.

        Raises:
            AmbiguousSlavesError: some are missing, and more than one choice fits.
            SlavesMissingError: an essential one is missing, and the others are the planned ones.
            TopologyMismatchError: other slaves are there than planned.
        """
        if not (differences := topology.compare(self._plan.slaves, found)):
            return tuple(range(len(found)))
        chosen, ways = match_slaves(self._plan.slaves, found, self.nonessential) if len(found) else ((), 0)
        if ways > 1:
            raise AmbiguousSlavesError(differences, ways)
        if not ways:
            missing = all(one.field == "missing" for one in differences)
            raise (SlavesMissingError if missing else TopologyMismatchError)(differences)
        return chosen

    def note(self, states: Sequence[SlaveState]) -> None:
        """States as they were just read."""
        self.answering = frozenset(state.position for state in states if state.answers)

    def awaited(self, late: Sequence[SlaveState], patience_over: bool) -> list[SlaveState]:
        """Of the slaves that are not in a state yet, those to wait for. A non-essential slave is not waited
        for for long, and not at all if it does not answer or has refused."""
        return [
            one
            for one in late
            if one.position not in self.nonessential or not (one.error or not one.answers or patience_over)
        ]

    def admit_late_slave(self, link: SlaveLink, wire: Acyclic) -> Script[None]:
        """A slave that was missing so far: nothing where it has not come; see `late_slave`."""
        place = self.place(link.position, wire)
        if place is None:
            return
        yield from late_slave.admit_late_slave(link, self._plan.slaves[link.position], place)
        self.absent.discard(link.position)

    def place(self, position: int, wire: Acyclic) -> int | None:
        """Its place in the line; None: it has none, or it is not known."""
        count = wire.count()
        if count == len(self._plan.slaves):
            return position
        if count <= len(self.answering - {position}):
            return None  # all who are there are known
        addresses = [_address(wire, place) for place in range(count)]
        return late_slave.place_of(position, addresses, self._planned, self._alike(position))

    def _alike(self, position: int) -> Collection[int]:
        own = self._plan.slaves[position]
        same = (own.vendor, own.product)
        return {
            one.position
            for one in self._plan.slaves
            if one.position != position and (one.vendor, one.product) == same
        }


def _address(wire: Acyclic, place: int) -> int:
    raw = wire.read_at(place, Register.STATION_ADDRESS, 2)
    return int.from_bytes(raw, "little") if raw is not None else 0
