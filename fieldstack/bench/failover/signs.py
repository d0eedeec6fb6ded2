"""Names the events that show the detection of a fault, the reaction to it, and the recovery.

`incident` waits for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fieldstack.bench.failover.faults import FaultKind
from fieldstack.events.event import Event
from fieldstack.events.kinds import EventKind


@dataclass(frozen=True, slots=True)
class Sign:
    """An event of this kind in which each of these fields, also those of RT's own event in it, has a listed
    value."""

    kind: EventKind
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def shows(self, event: Event) -> bool:
        data = {**(event.data.get("fields") or {}), **event.data} if event.kind == self.kind else {}
        return event.kind == self.kind and all(
            str(data.get(name)) in values for name, values in self.fields.items()
        )


@dataclass(frozen=True, slots=True)
class Signs:
    """None: no event shows it, but the segment does (or the fault has no such moment)."""

    detect: Sign | None
    react: Sign | None
    back: Sign | None


def _rt(*codes: str) -> Sign:
    return Sign(EventKind.RT, {"code": codes})


_CORE_PROCESS: dict[str, tuple[str, ...]] = {"process": ("fieldstack-core",)}


def _core(step: str) -> Sign:
    return Sign(EventKind.RECOVERY_STEP, _CORE_PROCESS | {"step": (step,)})


def _probe(state: str) -> Sign:
    return Sign(EventKind.SUPERVISION, {"subject": ("probe:axes",), "state": (state,)})


_STOP = _rt("stop_reason", "axis_stop")
_CORE = Signs(_core("detected"), _core("restart"), _core("heartbeat back"))
SIGNS: dict[FaultKind, Signs] = {
    FaultKind.NONRT_KILL: Signs(_rt("nonrt_dead", "nonrt_silent"), _STOP, Sign(EventKind.PROCESS_ADOPTED)),
    FaultKind.BOTH_KILL: Signs(None, None, _rt("bus_op")),
    FaultKind.SLAVE_LOSS: Signs(_rt("wkc_low", "slave_lost", "frame_lost"), _STOP, _rt("slave_recovered")),
    FaultKind.SLOW_SLAVE: Signs(
        _rt("slave_lost"),
        Sign(EventKind.RT, {"code": ("slave_recovered",), "slave": ("1",)}),
        Sign(EventKind.RT, {"code": ("slave_recovered",), "slave": ("4",)}),
    ),
    FaultKind.BUS_POWER: Signs(_rt("wkc_low", "slave_lost", "frame_lost"), _STOP, _rt("slave_recovered")),
    FaultKind.RT_MAIN_STOPPED: Signs(
        Sign(EventKind.ALERT, {"rule": ("rt-housekeeping-silent",)}), _STOP, _rt("bus_op")
    ),
    FaultKind.CORE_KILL: _CORE,
    FaultKind.CORE_DEADLOCK: _CORE,
    FaultKind.MEMORY_LEAK: Signs(
        Sign(EventKind.ALERT, {"rule": ("core-memory-high", "core-exhaustion-predicted")}),
        Sign(EventKind.PROCESS_ENDED, _CORE_PROCESS),
        Sign(EventKind.PROCESS_STARTED, _CORE_PROCESS),
    ),
    FaultKind.DISK_FULL: Signs(
        Sign(EventKind.CHECKPOINT_FAILED), Sign(EventKind.ALERT), Sign(EventKind.CHECKPOINT_BACK)
    ),
    FaultKind.IGNORED_STOP: Signs(_rt("stop_ignored", "axis_runs_on"), None, _rt("estop_cleared")),
    FaultKind.PROBE_EXCEPTION: Signs(_probe("failed"), _STOP, _probe("well")),
}


def first(sign: Sign | None, events: Iterable[Event], since_ns: int) -> int | None:
    """When it was first seen from `since_ns` on, CLOCK_MONOTONIC; None: not."""
    if sign is None:
        return None
    times = [event.t_ns for event in events if event.t_ns >= since_ns and sign.shows(event)]
    return min(times, default=None)


def rt_codes(events: Iterable[Event]) -> list[str]:
    """The names of RT's own events."""
    return [str(event.data.get("code")) for event in events if event.kind == EventKind.RT]
