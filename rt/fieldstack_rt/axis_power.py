"""Gives the axes power, group by group, once the bus is whole and they stand where they should.

RT's housekeeping asks it each pass; the cycle carries it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fieldstack_ethercat.bus.config.plan import BusPlan, GroupPlan
from fieldstack_rt import positions
from fieldstack_rt.cycle import CycleThread
from fieldstack_rt.datastore.layout import EventCode
from fieldstack_rt.datastore.store import DataStore


def bits(mask: int) -> Iterator[int]:
    """Numbers of the bits that are set."""
    while mask:
        yield (mask & -mask).bit_length() - 1
        mask &= mask - 1


@dataclass(frozen=True, slots=True)
class _Refusal:
    """`axes` (mask) were elsewhere after this number of resets: the next reset confirms them."""

    at_reset: int
    axes: int


class AxisPower:
    """Gives the axes of a group power once its slaves are well and its axes stand where they should.

    Power is taken back when the bus fails, so that each return is checked like the first. Axes that stand
    elsewhere than their checkpoint says get power only after a person's reset, which confirms the positions.
    """

    def __init__(self, store: DataStore, plan: BusPlan, cycle: CycleThread) -> None:
        self._store, self._plan, self._cycle = store, plan, cycle
        self.enabled = 0
        """Mask of the axes that may have power."""
        self._was_well = 0
        self._powered: set[str] = set()
        self._refused: dict[str, _Refusal] = {}
        # Read before this process's first cycle: what its predecessor published last.
        self._last = positions.last_published(store, len(plan.axes))

    @property
    def displaced(self) -> int:
        """Mask of the axes that are not where they should be, and that nobody has confirmed yet."""
        return sum(refusal.axes for refusal in self._refused.values())

    def run(self, status: Any, *, well: int, lost: int) -> None:
        """One look. `well`, `lost`: masks of axes whose slaves take part as they should, or do not.

        A group must have been well for two looks: a cycle with fresh positions lies between. A frame or two
        that got lost are neither well nor lost: axes that have power keep it and go on.
        """
        for group in self._plan.groups:
            ready = group.mask & well & self._was_well
            if group.axes and ready == group.mask and group.mask & ~self.enabled:
                self._try_to_enable(status, group)
        if self.enabled & lost:
            self._set(self.enabled & ~lost)
        for axis in bits(well & self.enabled):
            self._last[axis] = int(status.axes[axis].position)
        self._was_well = well

    def _set(self, axes: int) -> None:
        self.enabled = axes
        self._cycle.set_enabled(axes)

    def _try_to_enable(self, status: Any, group: GroupPlan) -> None:
        resets = self._store.reset_count
        refused = self._refused.get(group.name)
        if refused is not None and refused.at_reset == resets:
            return
        if refused is None and (axes := self._displaced(status, group)):
            self._refused[group.name] = _Refusal(resets, axes)
            return
        self._refused.pop(group.name, None)
        if group.name in self._powered:
            self._store.host_events.push(EventCode.GROUP_POWERED, a=group.mask & ~self.enabled)
        self._powered.add(group.name)
        self._set(self.enabled | group.mask)

    def _displaced(self, status: Any, group: GroupPlan) -> int:
        """Mask of the axes that agree with one of the two records: a checkpoint is old if Non-RT was delayed.
        If a part of a group has power, only the other axes are compared."""
        numbers = [axis for axis in group.axes if not self.enabled >> axis & 1]
        axes = [self._plan.axes[number] for number in numbers]
        whole = [record for record in self._records() if record.keys() >= set(numbers)]
        records = [[record[number] for number in numbers] for record in whole]
        if not records:
            return 0  # a new cell: nothing is known that could differ
        actual = [int(status.axes[number].position) for number in numbers]
        found = min((positions.differences(axes, known, actual) for known in records), key=len)
        for item in found:
            subject = numbers[item.axis]
            self._store.host_events.push(EventCode.POSITIONS_DIFFER, subject, item.difference, item.allowed)
        if not found:
            self._store.host_events.push(EventCode.POSITIONS_CHECKED, a=len(axes))
        return sum(1 << numbers[item.axis] for item in found)

    def _records(self) -> list[dict[int, int]]:
        known = positions.checkpointed(self._store, len(self._plan.axes))
        return [self._last, *([dict(enumerate(known))] if known else [])]
