"""What the segment saw of a stop: outputs that became safe, and motors that slowed down without a jump."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldstack.events.kinds import EventKind as CellEvent
from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_ethercat.segment.truth import EventKind, MotionSample, SlaveEvent
from fieldstack_ethercat.testing.motion_trace import check_smooth, disturbed, gaps
from tests.system.running_cell import RunningCell

STANDING = 2000.0
REST_SHARE = 0.05
"""Of the speed before: a motor that passes through zero within a sample has come to a stand."""
RAMP_SHARE = 0.12
"""Of an axis's velocity limit: from there on a ramp is long enough to be measured."""
BEFORE = 60
"""Samples before the fault that tell whether a stall is still at work in it."""
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
        check_smooth(axis, watch.trace_of(cell.segment, axis.slave), _told_stalls(cell))


def _told_stalls(cell: RunningCell) -> list[int]:
    """When the machine stood still, as the cell saw it."""
    single = [e.t_ns for e in cell.events(kind=CellEvent.RT) if e.data.get("code") in RATHER_LATE]
    gathered = [one for e in cell.events(kind=CellEvent.RT_DISTURBED) for one in e.data["gathered"]]
    return sorted([*single, *(one["t_ns"] for one in gathered if one["code"] in RATHER_LATE)])


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
        stopped, stalls = _to_the_stand(ordered), [*_told_stalls(cell), *gaps(trace)]
        if disturbed(stopped or ordered, stalls):
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
