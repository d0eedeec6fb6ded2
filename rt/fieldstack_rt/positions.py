"""Whether the axes stand where they were last known to be safe: asked before they get power again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldstack_ethercat.bus.plan import AxisPlan

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


def differences(axes: Sequence[AxisPlan], known: Sequence[int], actual: Sequence[int]) -> list[Difference]:
    """The axes that are not where they can be."""
    found = []
    for number, (axis, before, now) in enumerate(zip(axes, known, actual, strict=True)):
        allowed = allowed_travel(axis)
        if abs(now - before) > allowed:
            found.append(Difference(number, now - before, allowed))
    return found
