"""Checks of the cell as a whole: observed, supervised, started, stopped by an emergency, in which state.

Each endpoint asks those that it needs.
"""

from __future__ import annotations

from typing import Any

from fieldstack.health.checks.base import MemoryCheck, SampleCheck
from fieldstack.health.model.observation import MemoryView
from fieldstack.health.model.result import Finding, Level, failed, passed, warned
from fieldstack.status import liveness

READY_STATES = {"OPERATIONAL": Level.PASS, "DEGRADED": Level.WARN}
"""HA states in which the cell does its work. DEGRADED is ready: slower or with fewer axes, but it works."""


class ObserverCheck(MemoryCheck):
    """Whether this server sees the cell's shared memory, and again all the time."""

    name = "observer"

    def evaluate(self, value: MemoryView, now_ns: int) -> Finding:
        if value.store is None:
            return failed("the cell is down: there is no shared memory", "start it: fieldstack up")
        return passed("the shared memory is read")


class SupervisionCheck(MemoryCheck):
    """Whether somebody supervises: Non-RT makes progress, or has been gone for less than the grace time.

    This is what `/livez` asks: a cell in SAFE_MODE lives; one whose Non-RT does not come back does not.
    """

    name = "supervision"

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s

    def evaluate(self, value: MemoryView, now_ns: int) -> Finding:
        view = value.snapshot.nonrt
        if view.state in liveness.LIVE:
            return passed(f"Non-RT is {view.state}", pid=view.pid)
        gone_s = (now_ns - view.stamp_ns) / 1e9 if view.stamp_ns else None
        if gone_s is not None and gone_s < self._grace_s:
            return warned(f"Non-RT is {view.state} for {gone_s:.1f} s; its return is awaited", gone_s=gone_s)
        since = f" since {view.since}" if view.since else ""
        return failed(f"nobody supervises: Non-RT is {view.state}{since}", "see its log; restart the cell")


class StartedCheck(MemoryCheck):
    """Whether the start is over: frames have been exchanged under supervision in this cell's life."""

    name = "started"

    def evaluate(self, value: MemoryView, now_ns: int) -> Finding:
        if value.rt_beat == 0:
            return failed(f"RT has not exchanged a frame yet ({value.snapshot.bus.diagnosis or 'starting'})")
        if value.snapshot.ha.last_state == "NEVER":
            return failed("Non-RT has not decided on a state yet")
        return passed("the bus has been cycled")


class HaStateCheck(MemoryCheck):
    """Whether the HA state is one in which the cell does its work."""

    name = "ha-state"

    def evaluate(self, value: MemoryView, now_ns: int) -> Finding:
        ha = value.snapshot.ha
        level = READY_STATES.get(ha.state, Level.FAIL)
        text = f"{ha.state}: {ha.reason}" if ha.reason else ha.state
        waits = list(value.snapshot.motion.waits_for_start) if level is not Level.FAIL else []
        remedy = "look, then: fieldstack start" if waits else ""
        return Finding(level, text, remedy, {"state": ha.state, "since": ha.since, "waits_for_start": waits})


class EmergencyStopCheck(MemoryCheck):
    """Whether EMERGENCY_STOP is latched, by whom and why."""

    name = "emergency-stop"

    def evaluate(self, value: MemoryView, now_ns: int) -> Finding:
        estop = value.snapshot.estop
        if not estop.latched:
            return passed("not latched")
        why = "; ".join(f"{one.source}: {one.reason}" for one in estop.sources)
        return failed(f"EMERGENCY_STOP is latched by {why}", "remove the cause, then: fieldstack reset")


class MonitoringCheck(SampleCheck):
    """Whether all parts of supervision see what they are to see: of what fails, nothing is known."""

    name = "sight"
    source = "control"

    def evaluate(self, value: dict[str, Any], now_ns: int) -> Finding:
        blind = [one for one in value.get("blind", ()) if isinstance(one, dict)]
        if not blind:
            return passed("no part of supervision fails")
        named = "; ".join(f"{one.get('subject')} ({one.get('failure')})" for one in blind)
        facts = sorted({str(fact) for one in blind for fact in one.get("facts", ())})
        unknown = f"; not known therefore: {', '.join(facts)}" if facts else ""
        return warned(f"{named}{unknown}", "fieldstack events --severity error", facts=facts)


class ControlCheck(SampleCheck):
    """Whether Non-RT answers on its control socket."""

    name = "control"
    source = "control"

    def evaluate(self, value: dict[str, Any], now_ns: int) -> Finding:
        return passed("Non-RT answers")
