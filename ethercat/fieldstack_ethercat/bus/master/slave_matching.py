"""Finds which of the configured slaves are on the wire, if some are missing: by identity and order. Pure.

A line keeps its order, whichever slave is missing (a slave without power, a tool that was taken off, a
branch). So the slaves found are the configured ones with gaps. Only one way to fill the gaps may fit.
Otherwise nobody knows which slave is which, and outputs would go to the wrong one.

`SlavePresence` asks it at bring-up; RT takes from it which slaves may be missing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.slave_plan import SlavePlan
from fieldstack_ethercat.bus.master.topology import FoundSlave, compare


def nonessential_slaves(plan: BusPlan) -> frozenset[int]:
    """Positions of the slaves that the others can do without: those of non-essential groups."""
    return frozenset(at for group in plan.groups if not group.essential for at in group.slaves)


def match_slaves(
    planned: Sequence[SlavePlan], found: Sequence[FoundSlave], nonessential: Collection[int]
) -> tuple[tuple[int, ...], int]:
    """The planned position of each slave found, in order, and in how many ways that fits.

    `nonessential`: positions that may be missing. Nothing and 0 if it fits in no way;
    with several, the first.
    """
    fits = _ways(planned, found, nonessential)
    if not fits[0][0]:
        return (), 0
    position, chosen = 0, []
    for at, slave in enumerate(found):
        while not (_same(planned[position], slave) and fits[position + 1][at + 1]):
            position += 1
        chosen.append(position)
        position += 1
    return tuple(chosen), fits[0][0]


def _ways(
    planned: Sequence[SlavePlan], found: Sequence[FoundSlave], nonessential: Collection[int]
) -> list[list[int]]:
    """`[position][at]`: in how many ways the planned slaves from one on are those found from the other on."""
    ways = [[0] * (len(found) + 1) for _ in range(len(planned) + 1)]
    ways[-1][-1] = 1
    for position in reversed(range(len(planned))):
        for at in range(len(found) + 1):
            here = at < len(found) and _same(planned[position], found[at])
            ways[position][at] = ways[position + 1][at + 1] if here else 0
            ways[position][at] += ways[position + 1][at] if planned[position].position in nonessential else 0
    return ways


def _same(planned: SlavePlan, found: FoundSlave) -> bool:
    return not compare([planned], [found])
