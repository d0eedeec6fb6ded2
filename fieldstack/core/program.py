"""The demo program: way points inside the axes' travel, and a chase light on the digital outputs.

A program is a function of its step, so a restarted process goes on where the last one was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fieldstack.core.motion import Limits
from fieldstack_ethercat.bus.plan import AxisPlan, BusPlan

WAY_POINTS = 8
TRAVEL_SHARE = 0.35
"""Largest deflection from the middle of the travel, as a share of the travel."""
TRAVEL_TIME_S = 1.0
"""No way point is further from the middle than an axis goes in this time at its full speed."""
LIGHTS_PER_STEP = 4


@dataclass(frozen=True, slots=True)
class DemoProgram:
    """Way points in counts, one column an axis; `io_bits`: outputs of each slave that is no axis."""

    way_points: tuple[tuple[float, ...], ...]
    limits: tuple[Limits, ...]
    io_bits: tuple[int, ...]
    cycle_s: float
    dwell_cycles: int

    @classmethod
    def for_plan(cls, plan: BusPlan, *, speed_share: float, dwell_ms: int) -> DemoProgram:
        """The demo for a bus: each axis swings about its middle, each a phase behind the one before it."""
        axes = plan.axes
        points = tuple(
            tuple(_way_point(axis, step, number, len(axes)) for number, axis in enumerate(axes))
            for step in range(WAY_POINTS)
        )
        moved = {axis.slave for axis in axes}
        return cls(
            way_points=points,
            limits=tuple(Limits.of_axis(axis, speed_share) for axis in axes),
            io_bits=tuple(s.output_bits for s in plan.slaves if s.position not in moved and s.output_bits),
            cycle_s=plan.cycle_time_ns / 1e9,
            dwell_cycles=max(1, dwell_ms * 1_000_000 // plan.cycle_time_ns),
        )

    def target(self, step: int) -> tuple[float, ...]:
        """Where step `step` (0, 1, ...) goes, counts."""
        return self.way_points[step % len(self.way_points)]

    def outputs(self, step: int, progress: float) -> bytes:
        """The chase light `progress` (0 to 1) into step `step`: one output of each slave, in slave order."""
        light = step * LIGHTS_PER_STEP + min(int(progress * LIGHTS_PER_STEP), LIGHTS_PER_STEP - 1)
        return b"".join((1 << light % bits).to_bytes((bits + 7) // 8, "little") for bits in self.io_bits)


def _way_point(axis: AxisPlan, step: int, number: int, axes: int) -> float:
    middle = (axis.position_min_counts + axis.position_max_counts) / 2
    travel = axis.position_max_counts - axis.position_min_counts
    swing = min(travel * TRAVEL_SHARE, axis.velocity_max_counts_s * TRAVEL_TIME_S)
    return middle + swing * math.sin(2 * math.pi * (step / WAY_POINTS + number / max(1, axes)))
