"""What the guard says of the present start of RT: whether it stopped it, why, and what it read back since.

Used by `process_monitor`. The guard's word on RT's failure comes before what the beat shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fieldstack.ha.model.facts import GuardFacts, ProcessCondition, ProcessFacts
from fieldstack.ha.monitor.rt_records import RtRecords
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import GuardState, Rung, TripCause

RUNS_ON = int(lib.FS_EXIT_RUNS_ON)
_NO_GUARD = ffi.new("fs_guard_status *")
_TRIP_WORDS = {
    TripCause.DEAD: "its cycle thread has died",
    TripCause.SILENT: "its cycle thread made no progress",
    TripCause.ESTOP_IGNORED: "it ignored EMERGENCY_STOP",
    TripCause.CORRUPT: "its shared memory is damaged",
}


class GuardWatch:
    """`guard` gives the status as the guard has it itself: damage to the shared one must not end a process
    that is well. None: there is no guard."""

    def __init__(self, store: DataStore, records: RtRecords, guard: Callable[[], Any] | None) -> None:
        self._store, self._records, self._guard = store, records, guard
        self._status = _NO_GUARD
        self._trips = 0

    def began(self) -> None:
        """RT was started: earlier trips do not concern it."""
        self.read()
        self._trips = int(self._status.trips)

    def read(self) -> None:
        """Once a pass."""
        self._status = self._guard() if self._guard else _NO_GUARD

    @property
    def tripped(self) -> bool:
        """Whether the guard stopped the present start of RT."""
        status = self._status
        return int(status.trips) > self._trips and self._records.is_after(int(status.trip_epoch))

    @property
    def last_progress_ns(self) -> int:
        """When the RT process that the guard stopped last made progress, exact to the cycle."""
        return int(self._status.last_progress_ns)

    def facts(self) -> GuardFacts:
        status, enabled = self._status, self._guard is not None
        if int(status.state) != GuardState.TRIPPED and not self.tripped:
            armed = int(status.state) == GuardState.ARMED
            return GuardFacts(enabled, armed and self._records.epoch == int(status.armed_epoch) > 0)
        return GuardFacts(
            enabled,
            watching=False,
            tripped=True,
            last_progress_ns=int(status.last_progress_ns),
            detected_ns=int(status.detected_ns),
            fence_failed=bool(status.fence_failed),
            fenced_ns=int(status.fenced_ns),
            safe_frame_ns=int(status.safe_frame_ns),
            confirmed_ns=int(status.confirmed_ns),
        )

    def tripped_facts(self, facts: ProcessFacts) -> ProcessFacts:
        """The facts of an RT process that the guard stopped."""
        dead = int(self._status.cause) == TripCause.DEAD
        known = facts.condition is ProcessCondition.DEAD and dead and facts.why
        why = facts.why if known else f"{self._cause()} (guard)"
        ended_itself = self._ended_itself()
        return replace(
            facts,
            condition=ProcessCondition.DEAD if dead else ProcessCondition.SILENT,
            detected_ns=int(self._status.detected_ns),
            why=f"{why}: it ended itself, an axis did not stop" if ended_itself else why,
            exit_code=RUNS_ON if ended_itself else facts.exit_code,
        )

    def _cause(self) -> str:
        cause = int(self._status.cause)
        return _TRIP_WORDS.get(TripCause(cause), "") if cause in TripCause.__members__.values() else ""

    def _ended_itself(self) -> bool:
        """Whether RT ended itself as the last step for an axis that did not stop. Its exit status says this,
        too, but later."""
        status = self._store.peek("rt_status")
        if status is None or int(status.epoch) != int(self._status.trip_epoch):
            return False
        axes = (status.axes[number] for number in range(min(int(status.axis_count), len(status.axes))))
        return any(axis.rung == Rung.END_RT for axis in axes)
