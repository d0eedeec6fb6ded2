"""Writes down what is new since the last pass: RT's events, the guard's trips, the latch, starts and ends.

`Supervision` calls its checks in each pass, each one retried by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.monitor.event_storms import EventStorms, summary
from fieldstack.ha.monitor.retried import trace_of
from fieldstack.process.manager import ProcessManager
from fieldstack_rt.datastore import DataStore, EstopState, RtEvent
from fieldstack_rt.datastore.events import describe
from fieldstack_rt.datastore.layout import TripCause

DRAIN_LIMIT = 256


class Observer:
    """Compares with the pass before and appends events; decides nothing. `processes` has the names. `checks`:
    what to do in each pass, by name; if one fails, the others still run."""

    def __init__(
        self,
        store: DataStore,
        processes: ProcessManager,
        log: EventLog,
        names: tuple[str, ...],
        on_rt_event: Callable[[RtEvent], None],
        *,
        guard: Callable[[], Any],
    ) -> None:
        self._store, self._processes, self._log = store, processes, log
        self._names = names
        self._on_rt_event = on_rt_event
        self._storms = EventStorms()
        self._guard_status, self._guard = guard, guard()
        self._latch = store.estop.state()
        self._refused = self._refusals()
        self._reported_ends: dict[str, int] = {}
        self._coming: set[str] = set()
        self._checks: dict[str, Callable[[int], None]] = {
            "rings": self._drain,
            "guard": lambda _now_ns: self._guard_events(),
            "latch": lambda _now_ns: self._latch_events(),
            "processes": lambda _now_ns: self._process_events(),
        }

    @property
    def checks(self) -> dict[str, Callable[[int], None]]:
        return self._checks

    # ---- RT's rings ----

    def finish(self) -> None:
        """Before the end: writes everything that was seen."""
        self._tell_gathered(self._storms.take())

    def _drain(self, now_ns: int) -> None:
        for ring in (self._store.cycle_events, self._store.host_events):
            for event in ring.drain(DRAIN_LIMIT):
                self._take(event, now_ns)
        refused = self._refusals()
        if refused > self._refused:
            self._log.append(EventKind.RT_EVENTS_LOST, count=refused - self._refused)
        self._refused = refused
        self._tell_gathered(self._storms.due(now_ns))

    def _take(self, event: RtEvent, now_ns: int) -> None:
        try:
            self._on_rt_event(event)
            if not self._storms.keeps(event, now_ns):
                self._write_down(event)
        except Exception as error:  # it has left the ring: kept as it is, and those behind it are read
            what = f"an event of RT (code {event.code}) cannot be shown: {type(error).__name__}: {error}"
            self._log.append(EventKind.SUPERVISION, what=what, event=asdict(event), traceback=trace_of(error))

    def _refusals(self) -> int:
        rings = (self._store.cycle_events, self._store.host_events)
        return sum(ring.refused + ring.damages for ring in rings)

    def _tell_gathered(self, events: Sequence[RtEvent]) -> None:
        if len(events) == 1:
            self._write_down(events[0])
        elif events:
            self._log.append(EventKind.RT_DISTURBED, t_ns=events[-1].t_ns, **summary(events))

    def _write_down(self, event: RtEvent) -> None:
        severity, text, fields = describe(event)
        name = getattr(event.code, "name", str(event.code)).lower()
        self._log.append(
            EventKind.RT,
            t_ns=event.t_ns,
            severity=Severity(severity),
            code=name,
            text=text,
            rt_sequence=event.sequence,
            fields=fields,
        )

    # ---- guard ----

    def _guard_events(self) -> None:
        now, before = self._guard_status(), self._guard
        self._guard = now
        if now.trips != before.trips:
            self._log.append(
                EventKind.GUARD_TRIPPED,
                t_ns=int(now.detected_ns),
                cause=_cause(now),
                fence_failed=bool(now.fence_failed),
                stamps=_stamps(now),
            )
        if now.confirmed_ns and now.confirmed_ns != before.confirmed_ns:
            self._log.append(
                EventKind.GUARD_CONFIRMED,
                t_ns=int(now.confirmed_ns),
                lwr_wkc=int(now.lwr_wkc),
                absent=int(now.absent),
                without=_without(int(now.absent)),
                al_states=int(now.al_states),
                stamps=_stamps(now),
            )
        if now.released_ns and now.released_ns != before.released_ns:
            self._log.append(
                EventKind.GUARD_RELEASED, t_ns=int(now.released_ns), safe_frames=int(now.safe_frames)
            )

    # ---- latch ----

    def _latch_events(self) -> None:
        now, before = self._store.estop.state(), self._latch
        self._latch = now
        for note in now.notes:
            if not _raised(before, note.source) or _stamp(before, note.source) != note.t_ns:
                self._log.append(
                    EventKind.ESTOP_RAISED,
                    t_ns=note.t_ns,
                    source=note.source.name.lower(),
                    reason=note.reason,
                    by_pid=note.pid,
                )

    # ---- starts and ends ----

    def _process_events(self) -> None:
        self._starts()
        self._ends()

    def _starts(self) -> None:
        """A start that was asked of systemd is one once its process is known."""
        for name in self._names:
            handle = self._processes.handle(name)
            if handle is None or handle.pid:
                if handle is not None and name in self._coming:
                    self._log.append(EventKind.PROCESS_STARTED, process=name, pid=handle.pid)
                self._coming.discard(name)
            else:
                self._coming.add(name)

    def _ends(self) -> None:
        for name in self._names:
            ended = self._processes.ended(name)
            if ended is not None and self._reported_ends.get(name) != ended.pid:
                self._tell_end(name, ended.pid, ended.text)
        for name, ended in self._processes.take_late_ends():
            if self._reported_ends.get(name) != ended.pid:
                self._tell_end(name, ended.pid, ended.text)

    def _tell_end(self, name: str, pid: int, why: str) -> None:
        self._reported_ends[name] = pid
        self._log.append(EventKind.PROCESS_ENDED, process=name, pid=pid, why=why)


def _without(absent: int) -> str:
    return f", without {absent} that RT had reported lost before," if absent else ""


def _cause(status: Any) -> str:
    try:
        return TripCause(int(status.cause)).name.lower()
    except ValueError:
        return str(int(status.cause))


def _stamps(status: Any) -> dict[str, int]:
    names = ("last_progress_ns", "detected_ns", "fenced_ns", "safe_frame_ns", "confirmed_ns")
    return {name: int(getattr(status, name)) for name in names}


def _raised(state: EstopState, source: int) -> bool:
    return bool((state.on_reset | state.on_recovery) >> source & 1)


def _stamp(state: EstopState, source: int) -> int:
    return next((note.t_ns for note in state.notes if note.source == source), 0)
