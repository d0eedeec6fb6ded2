"""Compares where the axes are with the checkpoint, before `axis_power.py` gives them power again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_rt.datastore.errors import TornRecordError
from fieldstack_rt.datastore.store import DataStore

CHECKPOINT_AGE_S = 0.1
"""How old a checkpoint of a moving axis can be when RT dies."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An axis that stands further from its checkpoint than a stop can have carried it; counts."""

    axis: int
    difference: int
    allowed: int


def allowed_travel(axis: AxisPlan) -> int:
    """Counts an axis may travel between its checkpoint and a stand: at full speed, then along 0x6085."""
    speed = float(axis.velocity_max_counts_s)
    braking = speed * speed / (2.0 * axis.quick_stop_deceleration_counts_s2)
    return round(braking + speed * CHECKPOINT_AGE_S) + axis.following_error_max_counts


def last_published(store: DataStore, axes: int) -> dict[int, int]:
    """Where the axes were in RT's last completed cycle, this process's or its predecessor's, in counts, by
    number. Only of axes that were confirmed then: where others are found proves nothing.

    Empty if there is no such record, or its writer died inside it.
    """
    try:
        status = store.rt_status()
    except TornRecordError:
        return {}
    if status.cycle == 0 or status.axis_count != axes:
        return {}
    known = int(status.axes_confirmed) & ~int(status.axes_lost)
    return {number: int(status.axes[number].position) for number in range(axes) if known >> number & 1}


def checkpointed(store: DataStore, axes: int) -> list[int] | None:
    """The last safe positions that the Non-RT process wrote down, in counts; None if there are none."""
    try:
        checkpoint = store.checkpoint()
    except TornRecordError:
        return None
    if not store.checkpoint_valid(checkpoint) or checkpoint.axis_count != axes:
        return None
    return [int(checkpoint.position[number]) for number in range(axes)]


def differences(axes: Sequence[AxisPlan], known: Sequence[int], actual: Sequence[int]) -> list[Difference]:
    """The axes that are not where they can be."""
    found = []
    for number, (axis, before, now) in enumerate(zip(axes, known, actual, strict=True)):
        allowed = allowed_travel(axis)
        if abs(now - before) > allowed:
            found.append(Difference(number, now - before, allowed))
    return found
