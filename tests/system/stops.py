"""What the segment saw of a stop: outputs that became safe, and motors that slowed down without a jump."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from running_cell import RunningCell

from fieldstack.events.kinds import EventKind as CellEvent
from fieldstack_ethercat.bus.plan import AxisPlan
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_ethercat.segment.truth import EventKind, MotionSample, SlaveEvent

SPAN = 8
"""Samples (ms) over which a speed is taken: what one late frame does to a setpoint does not count."""
SERVO_ROOM = 3.0
"""A servo's loops pass a ramp's corners with up to this much of its deceleration."""
SLACK = 2000.0
"""Counts/s: friction, rounding and the corner of a ramp at low speed."""
STANDING = 2000.0
REST_SHARE = 0.05
"""Of the speed before: a motor that passes through zero within a sample has come to a stand."""
RAMP_SHARE = 0.12
"""Of an axis's velocity limit: from there on a ramp is long enough to be measured."""
STALL_NS = 1_600_000
"""A gap in the samples, which come every millisecond: the bench itself stood still. The frames that waited
meanwhile reach the drives all at once, and the motors catch up with a jerk that no machine would show."""
BEFORE = 60
"""Samples before the fault that tell whether a stall is still at work in it."""
AROUND_STALL_NS = (-25_000_000, 60_000_000)
RATHER_LATE = ("late_wakeup", "frame_lost")


@dataclass(frozen=True)
class Watch:
    """The segment's event and sample numbers at one moment: what came after them belongs to a fault."""

    events: tuple[int, ...]
    samples: tuple[int, ...]
    was_safe: tuple[bool, ...]
    t_ns: int

    @classmethod
    def now(cls, segment: SegmentClient) -> Watch:
        truth = segment.truth()
        return cls(
            tuple(slave.events for slave in truth),
            tuple(max(0, slave.samples - BEFORE) for slave in truth),
            tuple(slave.safe for slave in truth),
            truth[0].t_ns,
        )

    @classmethod
    def in_motion(cls, cell: RunningCell) -> Watch:
        """As soon as motors turn fast: the fault comes next, and nothing in between."""
        cell.await_motion()
        return cls.now(cell.segment)

    def events_of(self, segment: SegmentClient, slave: int) -> list[SlaveEvent]:
        return segment.events(slave, self.events[slave])

    def trace_of(self, segment: SegmentClient, slave: int) -> list[MotionSample]:
        return segment.trace(slave, self.samples[slave])


def outputs_became_safe(cell: RunningCell, watch: Watch) -> None:
    """Every slave's outputs were, or became, safe after the watch began; whoever made them so."""
    for slave, was_safe in enumerate(watch.was_safe):
        kinds = [event.kind for event in watch.events_of(cell.segment, slave)]
        assert was_safe or EventKind.OUTPUTS_SAFE in kinds, f"slave {slave}: {kinds}"


def watchdogs_that_expired(cell: RunningCell, watch: Watch) -> list[int]:
    """Slaves that nobody but their own watchdog made safe."""
    return [
        slave
        for slave in range(len(watch.events))
        if any(e.kind is EventKind.WATCHDOG_EXPIRED for e in watch.events_of(cell.segment, slave))
    ]


def motion_was_smooth(cell: RunningCell, watch: Watch, *, but: tuple[int, ...] = ()) -> None:
    """No motor, `but` those of these slaves, jumped or accelerated beyond what its stop ramp allows.

    A machine that stalls delays frames or the bench: what the motors do within 60 ms of that is its doing.
    """
    for axis in cell.plan.axes:
        if axis.slave in but:
            continue
        trace = watch.trace_of(cell.segment, axis.slave)
        stalls = _stalls(cell, trace)
        for first in range(len(trace) - 2 * SPAN):
            window = trace[first : first + 2 * SPAN + 1]
            if not _disturbed(window, stalls):
                _is_smooth(axis, window)


def _stalls(cell: RunningCell, trace: Sequence[MotionSample]) -> list[int]:
    """When the machine stood still, as the bench and as the cell saw it."""
    told = [event.t_ns for event in cell.events(kind=CellEvent.RT) if event.data.get("code") in RATHER_LATE]
    return told + [b.t_ns for a, b in itertools.pairwise(trace) if b.t_ns - a.t_ns > STALL_NS]


def _disturbed(window: Sequence[MotionSample], stalls: Sequence[int]) -> bool:
    before, after = AROUND_STALL_NS
    return any(t + before < window[-1].t_ns and window[0].t_ns < t + after for t in stalls)


def _speed(begin: MotionSample, end: MotionSample) -> float:
    return (end.position - begin.position) / (end.t_ns - begin.t_ns) * 1e9


def _is_smooth(axis: AxisPlan, window: Sequence[MotionSample]) -> None:
    begin, middle, end = window[0], window[SPAN], window[-1]
    change = abs(_speed(middle, end) - _speed(begin, middle))
    seconds = (end.t_ns - begin.t_ns) / 2e9
    allowed = axis.quick_stop_deceleration_counts_s2 * seconds * SERVO_ROOM + SLACK
    assert change <= allowed, f"axis {axis.name} jumped: {begin}, {middle}, {end}"
    fastest = axis.velocity_max_counts_s * 1.2
    assert abs(_speed(begin, end)) <= fastest, f"axis {axis.name} ran away: {begin}, {end}"


def motors_stopped_along_the_ramp(
    cell: RunningCell,
    watch: Watch,
    *,
    since_ns: int = 0,
    without_power: tuple[int, ...] = (),
    any_speed: bool = False,
) -> int:
    """Each motor that was fast came to a stand without a jump, along 0x6085 or nearly so.

    Returns how many were fast, or were held up by a machine that stalled, which says nothing of a ramp.

    `since_ns`: when the stop was ordered, if that was not at once. A drive without power has no ramp.
    `any_speed`: the stop took too long to order for the axes to be surely fast then.
    """
    motion_was_smooth(cell, watch, but=without_power)
    fast = held_up = 0
    for axis in cell.plan.axes:
        if axis.slave in without_power:
            continue
        trace = watch.trace_of(cell.segment, axis.slave)
        ordered = [sample for sample in trace if sample.t_ns >= max(since_ns, watch.t_ns)]
        stopped, stalls = _to_the_stand(ordered), _stalls(cell, trace)
        if _disturbed(stopped or ordered, stalls):
            held_up += 1
            continue
        assert stopped, f"axis {axis.name} did not come to a stand"
        if abs(stopped[0].velocity) > RAMP_SHARE * axis.velocity_max_counts_s:
            fast += 1
            _is_ramp(axis, stopped)
    assert fast or held_up or any_speed, "no axis was fast when it happened: there was no stop to look at"
    return fast + held_up


def _to_the_stand(trace: Sequence[MotionSample]) -> list[MotionSample]:
    """Up to the first sample near rest; empty: it never rested."""
    limit = max(STANDING, REST_SHARE * abs(trace[0].velocity)) if trace else 0.0
    for number, sample in enumerate(trace):
        if abs(sample.velocity) <= limit:
            return list(trace[: number + 1])
    return []


def _is_ramp(axis: AxisPlan, stopped: Sequence[MotionSample]) -> None:
    """Between 80 and 20 percent of the speed the deceleration is about that of 0x6085."""
    peak = abs(stopped[0].velocity)
    end = next(number for number, sample in enumerate(stopped) if abs(sample.velocity) <= 0.2 * peak)
    begin = max(number for number, sample in enumerate(stopped[:end]) if abs(sample.velocity) >= 0.8 * peak)
    change = abs(stopped[begin].velocity) - abs(stopped[end].velocity)
    deceleration = change / (stopped[end].t_ns - stopped[begin].t_ns) * 1e9
    wanted = axis.quick_stop_deceleration_counts_s2
    assert wanted / 2 <= deceleration <= wanted * 2, (
        f"axis {axis.name}: {deceleration:.0f} counts/s^2 instead of {wanted:.0f}: "
        f"{[round(sample.velocity) for sample in stopped]}"
    )
