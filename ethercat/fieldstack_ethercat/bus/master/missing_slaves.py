"""SOEM's list of slaves with places for those that are missing, so that everything is where it was planned.

SOEM numbers the slaves that it finds. Here the records of those are moved to their planned places, and a
record is made up for each that is missing: identity and sizes from the plan, nothing of its sync managers.
SOEM then maps the whole image: a slave that comes later finds its logical addresses free (`late_slave.py`).
The search of a bring-up uses it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.slave_plan import SlavePlan
from fieldstack_ethercat.bus.soem.acyclic import Acyclic
from fieldstack_ethercat.bus.soem.soem_structs import Slave
from fieldstack_ethercat.bus.soem.soem_view import SoemView
from fieldstack_ethercat.wire.registers import Register

FIRST_ADDRESS = 0x1001
"""SOEM's station address of the first slave; the others follow in order."""
OUTPUTS, INPUTS = 3, 4
"""Kinds of sync managers (ETG.1000.6, 0x1C00)."""


def station_address(position: int) -> int:
    """Of a slave by its planned position; one that kept its address while it was away has this one, too."""
    return FIRST_ADDRESS + position


def insert_missing(view: SoemView, plan: BusPlan, places: Sequence[int]) -> None:
    """`places`: the planned position of each slave found, in order. Afterwards SOEM has as many as planned;
    what was made of its list before (pysoem's slaves, views) is void."""
    found = [bytes(view.slave(at)) for at in range(len(places))]
    _move_addresses(view, places)
    planned_of = {0: 0} | {at + 1: place + 1 for at, place in enumerate(places)}
    view.set_slave_count(len(plan.slaves))
    for slave in plan.slaves:
        ctypes.memset(ctypes.addressof(view.slave(slave.position)), 0, ctypes.sizeof(Slave))
    for raw, place in zip(found, places, strict=True):
        record = view.slave(place)
        ctypes.memmove(ctypes.addressof(record), raw, len(raw))
        record.configured_address = station_address(place)
        record.parent = planned_of[record.parent]
    for slave in plan.slaves:
        if slave.position not in places:
            _make_up(view, slave)


def _move_addresses(view: SoemView, places: Sequence[int]) -> None:
    """From the last one on: each new address is beyond all that are still in use."""
    wire = Acyclic(view)
    for at in reversed(range(len(places))):
        address = station_address(places[at]).to_bytes(2, "little")
        wire.write(view.slave(at).configured_address, Register.STATION_ADDRESS, address)


def _make_up(view: SoemView, plan: SlavePlan) -> None:
    record = view.slave(plan.position)
    record.configured_address = station_address(plan.position)
    record.vendor, record.product, record.revision = plan.vendor, plan.product, plan.revision or 0
    view.give_mapping(plan.position, plan.output_bits, plan.input_bits)
    if plan.output_bits:
        record.sync_manager_types[2] = OUTPUTS
    if plan.input_bits:
        record.sync_manager_types[3] = INPUTS
