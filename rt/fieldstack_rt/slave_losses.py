"""Decides what lost slaves mean: which axes must stand, and which slaves the working counter need not count.

Pure: takes states, returns masks as in the shared memory (bit n is axis n). Housekeeping uses it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.wire.al import AlState


def still_contributing(states: Sequence[SlaveState]) -> frozenset[int]:
    """Positions of the slaves whose inputs count though they are not in OP: those in SAFE-OP."""
    return frozenset(s.position for s in states if s.state is AlState.SAFEOP)


def lost_slaves(states: Sequence[SlaveState]) -> frozenset[int]:
    """Positions of the slaves that do not take part in the exchange: no answer, not in OP, or in error."""
    return frozenset(s.position for s in states if s.state is not AlState.OP or s.error)


@dataclass(frozen=True, slots=True)
class LossEffect:
    """What lost slaves mean. `axes`: of lost slaves that belong to non-essential groups; `wkc`: what these
    no longer add to the working counter; `well`: axes of groups that take part as a whole; `essential`:
    a slave of an essential group is lost."""

    axes: int
    wkc: int
    well: int
    essential: bool


class LossRules:
    """Judges losses for one bus. `excusable_wkc`: what all non-essential slaves add to the working counter; 0
    if that is not known, and then every loss is one of all axes."""

    def __init__(self, plan: BusPlan, excusable_wkc: int) -> None:
        self._plan = plan
        self.full_wkc, self.excusable_wkc = plan.expected_wkc, excusable_wkc
        self._excusable = frozenset(
            at for group in plan.groups if not group.essential and excusable_wkc for at in group.slaves
        )
        self.all_axes = sum(group.mask for group in plan.groups)

    def effect_of(self, lost: Collection[int], still_contributing: Collection[int] = ()) -> LossEffect:
        """`lost`: positions of slaves; `still_contributing`: those in SAFE-OP, which add inputs."""
        excused = self._excusable.intersection(lost)
        essential = len(excused) < len(set(lost))
        well = sum(g.mask for g in self._plan.groups if not set(g.slaves) & set(lost))
        return LossEffect(
            axes=self.axes_of(excused),
            wkc=sum(self._missing(at, feeds=at in still_contributing) for at in excused),
            well=0 if essential else well,
            essential=essential,
        )

    def _missing(self, position: int, *, feeds: bool) -> int:
        slave = self._plan.slaves[position]
        return slave.wkc_share - int(feeds and slave.input_bits > 0)

    def axes_of(self, slaves: Collection[int]) -> int:
        """Mask of the axes on these slaves."""
        return sum(1 << number for number, axis in enumerate(self._plan.axes) if axis.slave in slaves)

    def unexplained(self, wkc: int, consecutive_bad: int) -> bool:
        """Whether a low working counter has lasted too long, as the cycle judges it (native/stop.c)."""
        limit = self._plan.lost_cycles_limit
        if consecutive_bad < limit:
            return False
        if not self.full_wkc - self.excusable_wkc <= wkc < self.full_wkc:
            return True
        return consecutive_bad >= max(limit, self._plan.loss_diagnosis_ns // self._plan.cycle_time_ns)
