"""Metrics of the cell as a whole: HA state, processes, restarts, guard, EMERGENCY_STOP.

`/metrics` has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import Metric

from fieldstack.health.metrics.families import counter, counters, gauge, gauges, one_of
from fieldstack.health.model.observation import MemoryView
from fieldstack.status import liveness
from fieldstack_rt.datastore import EstopSource, TornRecordError
from fieldstack_rt.datastore.layout import GuardState, HaState

_PROCESSES = {"fieldstack-rt": "rt", "fieldstack-nonrt": "nonrt", "fieldstack-core": "core"}


def families(view: MemoryView) -> Iterator[Metric]:
    shot = view.snapshot
    states = [*(state.name for state in HaState), "UNSUPERVISED"]
    yield gauge(
        "fieldstack_up",
        "1: the cell's shared memory is there and one of its processes runs",
        shot.cell == "up",
    )
    yield one_of("fieldstack_ha_state", "1 for the present HA state", states, shot.ha.state)
    yield from _processes(view)
    yield gauge("fieldstack_motion_permit", "1: Non-RT lets the axes move", shot.motion.permit)
    yield gauge(
        "fieldstack_axes_waiting_for_start",
        "Axes that move only after a person's start; the cell is ready all the same",
        len(shot.motion.waits_for_start),
    )
    yield gauge("fieldstack_estop_latched", "1: EMERGENCY_STOP is latched", shot.estop.latched)
    raised = {one.source for one in shot.estop.sources}
    yield gauges(
        "fieldstack_estop_source",
        "1: EMERGENCY_STOP is latched by this source",
        ["source"],
        (((source.name,), float(source.name in raised)) for source in EstopSource),
    )
    yield from _guard(view)


def _processes(view: MemoryView) -> Iterator[Metric]:
    shot = view.snapshot
    seen = {name: getattr(shot, field) for name, field in _PROCESSES.items()}
    yield gauges(
        "fieldstack_process_running",
        "1: the process runs and makes progress",
        ["process"],
        (((name,), float(one.state in liveness.LIVE)) for name, one in seen.items()),
    )
    yield counters(
        "fieldstack_process_starts",
        "Starts of the process in the life of the shared memory; restarts are those after the first",
        ["process"],
        (((name,), float(epoch)) for name, epoch in view.epochs.items()),
    )
    yield gauge("fieldstack_rt_restarts_in_window", "Restarts of RT in its budget's window", shot.ha.restarts)
    yield gauge(
        "fieldstack_rt_restart_budget", "Restarts of RT that its budget allows", shot.ha.restart_budget
    )


def _guard(view: MemoryView) -> Iterator[Metric]:
    status = _guard_status(view)
    shot = view.snapshot
    yield one_of(
        "fieldstack_guard_state", "1 for the present state of the guard", GuardState, shot.guard.state
    )
    yield counter("fieldstack_guard_trips", "How often the guard took the bus from RT", shot.guard.trips)
    yield gauge(
        "fieldstack_guard_outputs_safe", "1: the guard has read back safe outputs", shot.guard.outputs_safe
    )
    detect, frame, confirm = _trip_times(status)
    yield gauge(
        "fieldstack_guard_last_detection_seconds", "Last trip: RT's last progress to its detection", detect
    )
    yield gauge(
        "fieldstack_guard_last_safe_frame_seconds", "Last trip: detection to the first safe frame", frame
    )
    yield gauge(
        "fieldstack_guard_last_confirmation_seconds",
        "Last trip: detection to safe outputs read back",
        confirm,
    )


def _guard_status(view: MemoryView) -> Any:
    if view.store is None:
        return None
    try:
        return view.store.guard_status()
    except TornRecordError:
        return None


def _trip_times(status: Any) -> tuple[float, float, float]:
    """Seconds of the last trip; 0: there was none, or it did not come so far."""
    if status is None or not status.trips:
        return 0.0, 0.0, 0.0
    detected = int(status.detected_ns)

    def span(begin: int, end: int) -> float:
        return (end - begin) / 1e9 if begin and end > begin else 0.0

    return (
        span(int(status.last_progress_ns), detected),
        span(detected, int(status.safe_frame_ns)),
        span(detected, int(status.confirmed_ns)),
    )
