"""Measures following errors, drive faults and positions beyond limits of all axes, from the last cycle.

An axis has a following error while its drive follows and its position is known. The error is 0 without power
and with a lost slave (RT handles both). While the working counter is too low, the last value is repeated. If
frames were lost or the cycle paused, a drive missed targets and is behind without its own fault. So the error
that the lost cycles explain, at the axis's highest speed, does not count until the drive has caught up.
Non-RT asks it in each pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.measures import STANDS_NOW, FactKind, Measure
from fieldstack.ha.model.standstill import runs_on_text, speed_of
from fieldstack.ha.probes.view import View
from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.bus.config.limit_texts import beyond_text, way_back
from fieldstack_ethercat.drives.cia402_errors import error_text
from fieldstack_rt.datastore.layout import MAX_AXES, AxisMode

CATCH_UP_NS = 2_000_000_000
"""For this long, lost cycles explain that an axis is behind."""
BURST_NS = 100_000_000
"""Single lost cycles do not add up, because the next target corrects each. Those of one stall do add up."""


class LostCycles:
    """Counts cycles without a target for the drives, or without a position from them: the worst stall of the
    last seconds."""

    def __init__(self) -> None:
        self._seen: int | None = None
        self._lost: deque[tuple[int, int]] = deque()
        self._worst = 0

    def count(self, now_ns: int, status: Any) -> int:
        """After this look at RT's counters."""
        total = int(status.wkc_errors) + int(status.skipped_cycles)
        grown = total - self._seen if self._seen is not None else 0
        self._seen = total
        old = bool(self._lost) and now_ns - self._lost[0][0] > CATCH_UP_NS
        if grown > 0:  # less than 0: another RT process
            self._lost.append((now_ns, grown))
        while self._lost and now_ns - self._lost[0][0] > CATCH_UP_NS:
            self._lost.popleft()
        if grown > 0 or old:
            self._worst = _worst_burst(self._lost)
        return self._worst


def _worst_burst(lost: Iterable[tuple[int, int]]) -> int:
    """The most that were lost within BURST_NS."""
    worst = inside = 0
    window: deque[tuple[int, int]] = deque()
    for at_ns, count in lost:
        window.append((at_ns, count))
        inside += count
        while at_ns - window[0][0] > BURST_NS:
            inside -= window.popleft()[1]
        worst = max(worst, inside)
    return worst


class Axes:
    """Subjects and limits by axis number; an axis without a limit in the plan has no following error."""

    def __init__(self, view: View, cell: CellMap) -> None:
        self._view = view
        self._lost = LostCycles()
        self._plans = cell.plans
        self._axes = tuple(
            (cell.axis(number), _at(cell.following_error_max, number), _at(cell.cycle_counts, number))
            for number in range(MAX_AXES)
        )

    def measures(self, now_ns: int) -> Iterable[Measure]:
        status = self._view.rt_status
        if status is None:
            return
        lost, known = self._lost.count(now_ns, status), not int(status.bad_wkc_row)
        whole = int(status.wkc) >= int(status.expected_wkc) > 0
        for number in range(min(int(status.axis_count), MAX_AXES)):
            (subject, limit, cycle_counts), axis = self._axes[number], status.axes[number]
            if limit > 0:
                error = int(axis.following_error) if known else 0
                behind = max(0.0, abs(error) - lost * cycle_counts)
                detail = f"{error} counts, {lost} lost cycles explain some" if lost else f"{error} counts"
                yield Measure(FactKind.FOLLOWING_ERROR, subject, behind / limit, detail)
            if axis.state == AxisMode.FAULT:
                code = int(axis.error_code)
                text = f"error code 0x{code:04X} {error_text(code)}" if code else "no error code"
                yield Measure(FactKind.DRIVE_FAULT, subject, float(code or 1), text)
            else:
                yield Measure(FactKind.DRIVE_FAULT, subject, 0.0)
            yield _runs_on(subject, self._plans, number, status)
            if number < len(self._plans) and whole and not int(status.axes_lost) >> number & 1:
                yield _beyond(subject, self._plans[number], axis)


def _runs_on(subject: str, plans: Sequence[AxisPlan], number: int, status: Any) -> Measure:
    """The axis's speed. If it has stopped since, a person still has to look, so the value is almost zero."""
    axis = status.axes[number]
    if not int(status.axes_run_on) >> number & 1:
        return Measure(FactKind.AXIS_RUNS_ON, subject, 0.0)
    speed = max(speed_of(plans, number, int(axis.speed)), STANDS_NOW)
    return Measure(FactKind.AXIS_RUNS_ON, subject, speed, runs_on_text(axis, plans, number))


def _beyond(subject: str, plan: AxisPlan, axis: Any) -> Measure:
    """Uses the target's position: a motor that overshoots it for a moment is not beyond the limit."""
    at = int(axis.target)
    text = beyond_text(plan, at)
    detail = f"{text}: {way_back(plan, at)}" if text else ""
    by = abs(plan.beyond_limit(at)) / plan.counts_per_unit
    return Measure(FactKind.AXIS_BEYOND_LIMIT, subject, by, detail)


def _at(values: tuple[float, ...], number: int) -> float:
    return values[number] if number < len(values) else 0.0
