"""Carries out EMERGENCY_STOP, changes of the motion permit, and the clearing of latch and faults.

It sets each in shared memory, and reads it back from what the cycle shows. A stop is confirmed when the axes
are confirmed to stand still. If RT does not cycle, EMERGENCY_STOP is confirmed by what the guard has read
back, or RT in its orderly end. Without such a sign nothing is confirmed. Used by the FailoverManager;
`nonrt.readback` asks it whether the guard has the outputs.
"""

from __future__ import annotations

from typing import Any

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.rt_view import Rt, look_at_rt
from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.outcome import ExecutionResult, Outcome, PendingReadback
from fieldstack.ha.model.standstill import lost_axes, read_back
from fieldstack.ha.model.vocabulary import ClearWhen
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore import Clear, DataStore, EstopSource, TornRecordError
from fieldstack_rt.datastore.layout import GuardState, Stop

OBEY_NS = 500 * NS_PER_MS
STAND_NS = 1000 * NS_PER_MS
"""How long axes may take to stop, if the policy gives no time."""
PERMIT = "permit"


class Stops:
    """The orders that keep axes from moving, and those that let them move again."""

    def __init__(self, store: DataStore, log: EventLog, cell: CellMap | None = None) -> None:
        self._store, self._log, self._cell = store, log, cell or CellMap()

    def emergency_stop(self, action: Action) -> ExecutionResult:
        estop = self._store.estop
        until = until_of(action.until)
        estop.raise_(EstopSource.POLICY, f"{action.rule}: {action.cause}", until=until)
        state = estop.state()
        word = state.on_reset if until is Clear.ON_RESET else state.on_recovery
        if not word >> EstopSource.POLICY & 1:
            return Outcome(False, "the latch did not take it")
        said = f"latched until {until.name.lower()}"

        def poll(now_ns: int) -> Outcome | str:
            rt, status = look_at_rt(self._store, now_ns)
            if rt is not Rt.CYCLES:
                return self._without_cycle(rt, said)
            seen = int(status.estop_seen)
            if not (seen | seen >> 32) >> EstopSource.POLICY & 1:
                return f"{said}, but the cycle has not obeyed it"
            return self._standing(status, f"{said}; obeyed by cycle {int(status.cycle)}")

        return PendingReadback(poll, STAND_NS)

    def permit(self, permit: bool) -> ExecutionResult:
        """Give or take the motion permit: it is given once RT has seen it, taken once the axes stand."""
        store = self._store
        store.motion_permit = permit
        word = "given" if permit else "taken back"
        if store.motion_permit is not permit:
            return Outcome(False, f"motion permit {word}, but shared memory does not keep it")

        def poll(now_ns: int) -> Outcome | str:
            rt, status = look_at_rt(store, now_ns)
            if rt is Rt.STILL:
                return Outcome(
                    True, f"motion permit {word}; RT does not cycle: no motion begins by its command"
                )
            if rt is Rt.UNKNOWN:
                return f"motion permit {word}, but RT's record cannot be read"
            reason = int(status.stop_reason)
            obeyed = reason not in (Stop.PERMIT,) if permit else reason >= Stop.PERMIT
            if not obeyed:
                return f"motion permit {word}, but the cycle does not show it"
            said = f"motion permit {word}; seen by cycle {int(status.cycle)}"
            return Outcome(True, said) if permit else self._standing(status, said)

        return PendingReadback(poll, OBEY_NS if permit else STAND_NS, PERMIT)

    def _standing(self, status: Any, said: str) -> Outcome | str:
        plans = self._cell.plans
        try:
            lost = lost_axes(self._store.rt_bus(), plans)
        except TornRecordError:
            lost = 0
        found = read_back(status, plans, lost)
        return Outcome(True, f"{said}; {found.text}") if found.confirmed else f"{said}; {found.text}"

    def _without_cycle(self, rt: Rt, said: str) -> Outcome | str:
        store = self._store
        if rt is Rt.UNKNOWN:
            return f"{said}; RT's record cannot be read: whether the axes stand is not known"
        if never_driven(store):
            return Outcome(True, f"{said}; no RT process has driven the axes since this memory was made")
        if guard_has_outputs(store):
            return Outcome(True, f"{said}; RT is gone, and the guard has read back safe outputs")
        if store.rt_orderly_end == store.rt_epoch and (ended := _ended_standing(store)):
            return Outcome(True, f"{said}; {ended}")
        return f"{said}; RT does not cycle, and nobody has read back whether the axes stand"

    def clear_latch(self, action: Action) -> ExecutionResult:
        estop = self._store.estop
        sources = [source for source in EstopSource if action.sources >> source & 1]
        until = until_of(action.until)
        estop.clear(sources, until)
        names = ", ".join(source.name.lower() for source in sources)
        state = estop.state()
        left = (state.on_reset if until is Clear.ON_RESET else state.on_recovery) & action.sources
        self._log.append(EventKind.ESTOP_CLEARED, sources=names, why=action.cause)
        return Outcome(
            not left, f"cleared {names}" if not left else f"{names} did not all clear: raised again"
        )

    def reset_faults(self, action: Action) -> ExecutionResult:
        self._store.request_fault_reset()
        return Outcome(True, f"fault reset {self._store.reset_count} asked of RT ({action.cause})")


def until_of(clear: ClearWhen | None) -> Clear:
    """Which part of the latch a policy's clear condition means; without one, a person clears it."""
    return Clear.ON_RECOVERY if clear is ClearWhen.GONE else Clear.ON_RESET


def guard_has_outputs(store: DataStore) -> bool:
    """Whether the guard has taken the bus from the last RT process, and read back safe outputs since."""
    try:
        guard = store.guard_status()
    except TornRecordError:
        return False
    of_this = int(guard.trip_epoch) == store.rt_epoch
    return bool(guard.state == GuardState.TRIPPED and guard.confirmed_ns > 0 and of_this)


def never_driven(store: DataStore) -> bool:
    """Whether no RT process has cycled since the memory was made; no single word says so."""
    status = store.peek("rt_status")
    return not store.rt_epoch and status is not None and not status.epoch and not status.cycle


def _ended_standing(store: DataStore) -> str:
    """What RT's last record says of an orderly end; empty: not that all axes stood still."""
    try:
        status = store.rt_status()
    except TornRecordError:
        return ""
    axes = (1 << int(status.axis_count)) - 1
    standing = int(status.epoch) == store.rt_epoch and int(status.axes_standing) & axes == axes
    return "RT has ended in order, and all axes stood still then" if standing else ""
