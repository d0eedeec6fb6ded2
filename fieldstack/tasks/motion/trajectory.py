"""Jerk-limited moves of several axes at once, planned with Ruckig. Runners use it.

Positions in counts, velocities in counts/s, times in seconds. Nothing here reads a clock.

Ruckig computes in units of an axis's full speed. With counts, whose accelerations are in the millions, its
root finding fails in one plan out of twenty (ruckig 0.19.4); scaled it found every one of 60,000.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ruckig import ControlInterface, InputParameter, Ruckig, RuckigError, Synchronization, Trajectory

from fieldstack_ethercat.bus.config.axis_plan import AxisPlan

JERK_TIME_S = 0.05
"""Time from rest to full acceleration: what sets the jerk limit, which drives do not state."""
PLANNED_ACCELERATION = 0.8
"""Share of an axis's acceleration that plans use at most: the rest is for changes of the speed override."""


class MotionError(Exception):
    """Ruckig found no trajectory; the text names the move and Ruckig's reason."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one axis, each above zero: counts/s, counts/s^2, counts/s^3."""

    velocity: float
    acceleration: float
    jerk: float

    def __post_init__(self) -> None:
        if min(self.velocity, self.acceleration, self.jerk) <= 0:
            raise ValueError(f"limits must be above zero: {self}")

    @classmethod
    def of_axis(cls, axis: AxisPlan, share: float) -> Limits:
        """`share` (0 to 1) of what the axis may do; of its acceleration never all."""
        acceleration = axis.acceleration_max_counts_s2 * min(share, PLANNED_ACCELERATION)
        return cls(axis.velocity_max_counts_s * share, acceleration, acceleration / JERK_TIME_S)

    def at_most(self, velocity: float) -> Limits:
        """No faster than this, counts/s."""
        return Limits(min(self.velocity, velocity), self.acceleration, self.jerk)

    def slower(self, share: float) -> Limits:
        """`share` (0 to 1) of these."""
        return Limits(self.velocity * share, self.acceleration * share, self.jerk * share)


@dataclass(frozen=True, slots=True)
class MotionState:
    """Position, velocity and acceleration of all axes at one time."""

    position: tuple[float, ...]
    velocity: tuple[float, ...]
    acceleration: tuple[float, ...]

    @classmethod
    def at_rest(cls, position: Sequence[float]) -> MotionState:
        still = (0.0,) * len(position)
        return cls(tuple(float(value) for value in position), still, still)


class Move:
    """A planned trajectory, sampled every `cycle_s`; `samples` of them end exactly at rest."""

    def __init__(self, trajectory: Trajectory, cycle_s: float, scale: Sequence[float]) -> None:
        self._trajectory = trajectory
        self._cycle_s = cycle_s
        self._scale = tuple(scale)
        self.duration_s: float = trajectory.duration
        self.samples: int = max(1, math.ceil(trajectory.duration / cycle_s))

    def sample(self, number: int) -> MotionState:
        """The state after `number` cycles; past the end: at rest at the target."""
        return self.at(number * self._cycle_s)

    def at(self, time_s: float, time_rate: float = 1.0) -> MotionState:
        """The state at a time of the plan. That time passes `time_rate` times as quickly as the clock."""
        position, velocity, acceleration = self._trajectory.at_time(time_s)
        scale = self._scale
        if time_rate == 1.0:
            return MotionState(
                _scaled(position, scale), _scaled(velocity, scale), _scaled(acceleration, scale)
            )
        slow = [factor * time_rate for factor in scale]
        slower = [factor * time_rate for factor in slow]
        return MotionState(_scaled(position, scale), _scaled(velocity, slow), _scaled(acceleration, slower))


def _scaled(values: Sequence[float], scale: Sequence[float]) -> tuple[float, ...]:
    return tuple([value * factor for value, factor in zip(values, scale, strict=True)])


def _unscaled(values: Sequence[float], limits: Sequence[Limits]) -> list[float]:
    return [value / limit.velocity for value, limit in zip(values, limits, strict=True)]


def plan_move(start: MotionState, target: Sequence[float], limits: Sequence[Limits], cycle_s: float) -> Move:
    """All axes from `start` to rest at `target`, arriving together.

    Raises:
        MotionError: no trajectory within the limits.
    """
    request = _request(start, limits)
    request.target_position = _unscaled(target, limits)
    return _solve(request, limits, cycle_s, f"to {list(target)}")


def plan_stop(start: MotionState, limits: Sequence[Limits], cycle_s: float) -> Move:
    """All axes from `start` to rest, each as quickly as its limits allow, so none goes past its planned path.

    Raises:
        MotionError: no trajectory within the limits.
    """
    request = _request(start, limits)
    request.control_interface = ControlInterface.Velocity
    request.synchronization = Synchronization.No
    return _solve(request, limits, cycle_s, "to rest")


def _request(start: MotionState, limits: Sequence[Limits]) -> InputParameter:
    request = InputParameter(len(limits))
    request.current_position = _unscaled(start.position, limits)
    request.current_velocity = _unscaled(start.velocity, limits)
    request.current_acceleration = _unscaled(start.acceleration, limits)
    request.max_velocity = [1.0] * len(limits)
    request.max_acceleration = _unscaled([limit.acceleration for limit in limits], limits)
    request.max_jerk = _unscaled([limit.jerk for limit in limits], limits)
    return request


def _solve(request: InputParameter, limits: Sequence[Limits], cycle_s: float, what: str) -> Move:
    trajectory = Trajectory(len(limits))
    try:
        Ruckig(len(limits), cycle_s).calculate(request, trajectory)
    except RuckigError as error:
        raise MotionError(f"no trajectory {what}: {error}") from error
    return Move(trajectory, cycle_s, [limit.velocity for limit in limits])
