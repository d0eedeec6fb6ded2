"""Takes the first step of a bring-up: finds who is on the wire, and which planned slave each of them is.

`Bus` takes it before it sets anybody up, and for a scan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fieldstack_ethercat.bus.errors import BusError, NoSlavesError, SlavesMissingError
from fieldstack_ethercat.bus.master import missing_slaves, topology
from fieldstack_ethercat.bus.master.line import Line
from fieldstack_ethercat.bus.master.slave_presence import SlavePresence

SECOND_LOOKS = 2
"""So often a wire that differs from the plan is looked at again before that is said."""
MISSING_WAIT_NS = 3_000_000_000
"""So long slaves that do not answer yet are looked for, if all that do are the right ones."""
SLAVE_COUNT_EXCEEDED = -4
"""SOEM's answer to more slaves than it has places for."""

Found = tuple[topology.FoundSlave, ...]


def find(line: Line, interface: str) -> Found:
    """Enumerate the slaves and take them to PRE-OP. NoSlavesError if nobody answers."""
    line.forget_slaves()
    count = line.master.config_init(release_gil=True)
    if not line.master.slaves:
        if count == SLAVE_COUNT_EXCEEDED:
            raise BusError("more slaves on the wire than SOEM can hold (199): split the bus")
        raise NoSlavesError(interface, len(line.plan.slaves))
    line.take_slaves()
    return tuple(
        topology.FoundSlave(position, slave.man, slave.id, slave.rev, slave.name)
        for position, slave in enumerate(line.master.slaves)
    )


def require_planned(presence: SlavePresence, found: Found, again: Callable[[], Found]) -> tuple[int, ...]:
    """The planned position of each slave found; `again` looks once more at the wire.

    A frame that gets lost while SOEM reads an EEPROM reads as zeros: look again at what differs. Essential
    slaves that are missing may still be starting up: they are looked for a while longer.
    """
    began_ns, looks = time.monotonic_ns(), 0
    while True:
        if looks >= SECOND_LOOKS or presence.as_planned(found):
            try:
                return presence.places_of(found)
            except SlavesMissingError:
                if time.monotonic_ns() - began_ns >= MISSING_WAIT_NS:
                    raise
        looks += 1
        found = again()


def keep_places(line: Line, presence: SlavePresence, places: Sequence[int]) -> None:
    """The bus comes up without slaves that it can do without; their places in SOEM's list are kept."""
    presence.absent = set(range(len(line.plan.slaves))) - set(places)
    if not presence.absent:
        return
    with line.lock:
        missing_slaves.insert_missing(line.view, line.plan, places)
        line.master.slaves = [line.master._get_slave(at) for at in range(len(line.plan.slaves))]
        line.take_slaves()
