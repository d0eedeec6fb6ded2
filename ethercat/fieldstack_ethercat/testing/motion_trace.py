"""Judges a motor's trace: nothing in it may be quicker than the axis's own stop ramp.

When the machine pauses, frames or the bench itself are late. The frames that waited then reach the drives all
at once, and the motors catch up with a jerk. Such times are found by stamps and left out; the bound stays the
same.
Tests of the cycle and of whole cells use it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.segment.truth import MotionSample

SPAN = 8
"""Samples (ms) over which a speed is taken: what one late frame does to a setpoint does not count."""
SERVO_ROOM = 3.0
"""A servo's loops pass a ramp's corners with up to this much of its deceleration."""
SLACK = 2000.0
"""Counts/s: friction, rounding and the corner of a ramp at low speed."""
STALL_NS = 1_600_000
"""A gap in the samples, which come every millisecond: the bench itself stood still."""
AROUND_STALL_NS = (-25_000_000, 60_000_000)
"""Around the stamp of a stall: how long it may have lasted before, and takes to settle after."""
SPEED_ROOM = 1.2


class MotionJumpError(AssertionError):
    """A motor moved as no stop ramp allows, while nothing stood still."""


def gaps(trace: Sequence[MotionSample]) -> list[int]:
    """When the bench stood still, ns: where samples are missing."""
    return [b.t_ns for a, b in itertools.pairwise(trace) if b.t_ns - a.t_ns > STALL_NS]


def check_smooth(axis: AxisPlan, trace: Sequence[MotionSample], stalls: Sequence[int]) -> int:
    """How many windows of the trace were judged; `stalls` are stamps in ns, gaps are found here.

    Raises:
        MotionJumpError: an undisturbed window accelerates beyond the ramp, or is too fast.
    """
    disturbances, judged = [*stalls, *gaps(trace)], 0
    for first in range(len(trace) - 2 * SPAN):
        window = trace[first : first + 2 * SPAN + 1]
        if not disturbed(window, disturbances):
            _check_window(axis, window)
            judged += 1
    return judged


def disturbed(window: Sequence[MotionSample], stalls: Sequence[int]) -> bool:
    """Whether a stall may still be at work in these samples."""
    before, after = AROUND_STALL_NS
    return any(t + before < window[-1].t_ns and window[0].t_ns < t + after for t in stalls)


def _speed(begin: MotionSample, end: MotionSample) -> float:
    return (end.position - begin.position) / (end.t_ns - begin.t_ns) * 1e9


def _check_window(axis: AxisPlan, window: Sequence[MotionSample]) -> None:
    begin, middle, end = window[0], window[SPAN], window[-1]
    change = abs(_speed(middle, end) - _speed(begin, middle))
    seconds = (end.t_ns - begin.t_ns) / 2e9
    if change > axis.quick_stop_deceleration_counts_s2 * seconds * SERVO_ROOM + SLACK:
        raise MotionJumpError(f"axis {axis.name} jumped: {begin}, {middle}, {end}")
    if abs(_speed(begin, end)) > axis.velocity_max_counts_s * SPEED_ROOM:
        raise MotionJumpError(f"axis {axis.name} ran away: {begin}, {end}")
