"""Reads from RT's records what slaves and axes do, and whether reported losses explain it.

Pure functions of the records. Used by `rt_records`.
"""

from __future__ import annotations

from typing import Any

from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.facts import PositionCheck
from fieldstack_rt.datastore.layout import MAX_AXES, MAX_SLAVES

_AL_OP = 8


def all_in_op(bus: Any, cell: CellMap) -> bool:
    """Whether every slave is in OP, except those reported lost that the others do not need. RT must have read
    it since its start: an older record is of the RT process before."""
    count = min(int(bus.slave_count), MAX_SLAVES)
    if not int(bus.read_ns) or not count:
        return False
    missing = {place for place in range(count) if bus.slaves[place].al_state != _AL_OP}
    spared = frozenset[int]().union(*(part.slaves for part in cell.parts))
    return all(place in spared and bus.slaves[place].lost for place in missing)


def position_check(status: Any, bus: Any, cell: CellMap) -> PositionCheck:
    """Where the axes are, as RT found them, for as long as that holds: other processes may restart meanwhile.
    This covers the axes that the cell needs; `displaced_groups_of` has the parts whose axes are elsewhere."""
    confirmed, displaced = int(status.axes_confirmed), _displaced(status, bus)
    if displaced & ~sum(part.axes for part in cell.parts):
        return PositionCheck.DIFFER
    axes = (1 << min(int(status.axis_count), MAX_AXES)) - 1
    aside = sum(part.axes for part in cell.parts if part.axes & displaced)
    awaited = axes & ~confirmed & ~int(status.axes_lost) & ~_axes_of_lost_slaves(bus, cell) & ~aside
    return PositionCheck.PENDING if awaited else PositionCheck.AGREE


def displaced_groups_of(status: Any, bus: Any, cell: CellMap) -> frozenset[str]:
    """The names of the parts that stay without power, because their axes are not where they should be."""
    displaced = _displaced(status, bus)
    return frozenset(part.name for part in cell.parts if part.axes & displaced)


def _displaced(status: Any, bus: Any) -> int:
    return int(bus.axes_elsewhere) & ~int(status.axes_confirmed)


def _axes_of_lost_slaves(bus: Any, cell: CellMap) -> int:
    """Mask: axes of parts with a lost slave. They are compared when their part is complete again."""
    return sum(part.axes for part in cell.parts if any(bus.slaves[place].lost for place in part.slaves))
