"""Which of a cell's processes run, from what they left in the store and from /proc.

Snapshots and health checks use it. Silence is judged by the rules of the policy in force, as by Non-RT
(`ha.monitor.liveness`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fieldstack.ha.monitor.liveness import LivenessRule
from fieldstack.ha.monitor.liveness_in_force import LivenessRules
from fieldstack_base.proc.process import same_process
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.housekeeping_beat import silent_ns
from fieldstack_rt.datastore.layout import CoreState, RtPhase

if TYPE_CHECKING:
    from fieldstack.status.snapshot import Clock

RUNNING, STARTING, STOPPING = "running", "starting", "stopping"
SILENT, HALTED, STOPPED, DEAD, ABSENT = "silent", "halted", "stopped", "dead", "absent"
ALIVE = frozenset({RUNNING, STARTING, STOPPING, SILENT, HALTED})
"""The process exists, even if it makes no progress."""

LIVE = frozenset({RUNNING, STARTING, STOPPING})
"""The process makes progress."""


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process: `state` is running, starting, stopping, silent (no beat), halted (stopped by a signal),
    stopped (in order), dead, or absent (never there). `since` is when that began."""

    pid: int | None
    state: str
    since: str | None
    since_s: float | None
    stamp_ns: int

    @property
    def alive(self) -> bool:
        return self.state in ALIVE

    @property
    def running(self) -> bool:
        return self.state == RUNNING

    @classmethod
    def absent(cls) -> ProcessView:
        return cls(None, ABSENT, None, None, 0)


def _view(pid: int, state: str, stamp_ns: int, clock: Clock) -> ProcessView:
    age_s = round(max(0, clock.now_ns - stamp_ns) / 1e9, 3) if stamp_ns else None
    return ProcessView(pid or None, state, clock.at(stamp_ns), age_s, stamp_ns)


def rt_view(store: DataStore, clock: Clock, rules: LivenessRules) -> ProcessView:
    pid, phase, beat_ns = store.rt_pid, store.rt_phase, store.rt_beat_ns
    if pid == 0:
        return ProcessView.absent()
    started_ns = _stamp(store.rt_status, "started_ns")
    last_ns = max(beat_ns, started_ns)
    fact = same_process(pid, last_ns or clock.now_ns)
    if fact is None:
        return _view(pid, STOPPED if phase is RtPhase.STOPPED else DEAD, last_ns, clock)
    if fact.halted:
        return _view(pid, HALTED, last_ns, clock)
    if phase is RtPhase.CYCLING:
        house_ns = silent_ns(clock.now_ns, store.rt_main_beat_ns, started_ns)
        if house_ns >= rules.housekeeping_ns:
            return _view(pid, SILENT, clock.now_ns - house_ns, clock)
        silent = rules.rt.silent(clock.now_ns - last_ns)
        return _view(pid, SILENT if silent else RUNNING, last_ns if silent else started_ns, clock)
    names = {RtPhase.STARTING: STARTING, RtPhase.STOPPING: STOPPING, RtPhase.STOPPED: STOPPED}
    return _view(pid, names.get(phase, STARTING), max(started_ns, fact.started_ns), clock)


def nonrt_view(store: DataStore, clock: Clock, rules: LivenessRules) -> ProcessView:
    status = _record(store.nonrt_status)
    if status is None:
        return _torn(int(store.raw.header.owner_pid), clock)
    return _beating(status, clock, rules.nonrt, ended=store.nonrt_stopping)


def core_view(store: DataStore, clock: Clock, rules: LivenessRules) -> ProcessView:
    status = _record(store.core_status)
    if status is None:
        return _torn(int(store.raw.core_status.pid), clock)
    return _beating(status, clock, rules.core, ended=status.state == CoreState.STOPPED)


def _beating(status: Any, clock: Clock, rule: LivenessRule, *, ended: bool) -> ProcessView:
    """A process that stamps its record in each pass. `ended`: it announced an end by request."""
    pid, last_ns, started_ns = int(status.pid), int(status.pass_ns), int(status.started_ns)
    if pid == 0:
        return ProcessView.absent()
    fact = same_process(pid, max(last_ns, started_ns))
    if fact is None:
        return _view(pid, STOPPED if ended else DEAD, last_ns, clock)
    if fact.halted:
        return _view(pid, HALTED, last_ns, clock)
    if ended:
        return _view(pid, STOPPING, started_ns, clock)
    silent = rule.silent(clock.now_ns - last_ns)
    return _view(pid, SILENT if silent else RUNNING, last_ns if silent else started_ns, clock)


def _torn(pid: int, clock: Clock) -> ProcessView:
    """The writer stopped inside a write: it is dead, or hangs there."""
    fact = same_process(pid, clock.now_ns)
    return _view(pid, HALTED if fact else DEAD, 0, clock)


def _record(reader: Any) -> Any:
    try:
        return reader()
    except TornRecordError:
        return None


def _stamp(reader: Any, field: str) -> int:
    record = _record(reader)
    return int(getattr(record, field)) if record is not None else 0
