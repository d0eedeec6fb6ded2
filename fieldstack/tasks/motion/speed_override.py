"""The speed override: how quickly the time of planned moves passes, changed at a bounded rate.

The stream feed asks for a new one, the setpoint stream advances it, the runners play by it.

With an override r a planned velocity v0 is played as r*v0, its acceleration as r^2*a0 + dr/dt*v0. Plans
keep a part of each axis's acceleration in reserve (trajectory.PLANNED_ACCELERATION). The rate is bounded so
that dr/dt*v0 fits into that reserve at full planned speed: no change breaks an acceleration limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from fieldstack.tasks.motion.trajectory import Limits
from fieldstack_ethercat.bus.config.axis_plan import AxisPlan

FULL = 1000
"""The override in per mille that means planned speed."""
_LEAST_RATE = 0.05


def override_rate_limit(axes: Sequence[AxisPlan], planned: Sequence[Limits]) -> float:
    """How much the override may change in a second, for these axes with these planned limits."""
    rates = [
        (axis.acceleration_max_counts_s2 - limit.acceleration) / limit.velocity
        for axis, limit in zip(axes, planned, strict=True)
    ]
    return max(_LEAST_RATE, min(rates, default=1.0))


class SpeedOverride:
    """`value` (0 to 1) follows what was asked for, cycle by cycle."""

    def __init__(self, rate_per_s: float, cycle_s: float, start: float = 1.0) -> None:
        self._step = rate_per_s * cycle_s
        self.wanted = start
        self.value = start

    def ask(self, per_mille: int) -> None:
        """The override to go to; beyond 0 .. 1000 it is cut."""
        self.wanted = min(max(per_mille, 0), FULL) / FULL

    def advance(self) -> None:
        """One cycle on."""
        gap = self.wanted - self.value
        self.value = (
            self.wanted if abs(gap) <= self._step else self.value + (self._step if gap > 0 else -self._step)
        )
