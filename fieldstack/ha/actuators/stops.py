"""EMERGENCY_STOP, motion permit, clearing: set in shared memory, read back from what the cycle shows."""

from __future__ import annotations

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.actions import Action
from fieldstack.ha.actuators.outcome import NS_PER_MS, Carried, Following, Outcome
from fieldstack.ha.actuators.rt_view import fresh_status
from fieldstack.ha.vocabulary import ClearWhen
from fieldstack_rt.datastore import Clear, DataStore, EstopSource
from fieldstack_rt.datastore.layout import Stop

OBEY_NS = 500 * NS_PER_MS
PERMIT = "permit"
_NO_CYCLE = "RT does not cycle: nothing moves by its command"


class Stops:
    """The orders that keep axes from moving, and those that let them move again."""

    def __init__(self, store: DataStore, log: EventLog) -> None:
        self._store, self._log = store, log

    def emergency_stop(self, action: Action) -> Carried:
        estop = self._store.estop
        until = until_of(action.until)
        estop.raise_(EstopSource.POLICY, f"{action.rule}: {action.cause}", until=until)
        state = estop.state()
        word = state.on_reset if until is Clear.ON_RESET else state.on_recovery
        if not word >> EstopSource.POLICY & 1:
            return Outcome(False, "the latch did not take it")
        said = f"latched until {until.name.lower()}"

        def look(now_ns: int) -> Outcome | str:
            status = fresh_status(self._store, now_ns)
            if status is None:
                return Outcome(True, f"{said}; {_NO_CYCLE}")
            seen = int(status.estop_seen)
            if (seen | seen >> 32) >> EstopSource.POLICY & 1:
                return Outcome(True, f"{said}; obeyed by cycle {int(status.cycle)}")
            return f"{said}, but the cycle has not obeyed it"

        return Following(look, OBEY_NS)

    def permit(self, permit: bool) -> Carried:
        """Give or take the motion permit; RT shows in its next cycles that it has seen it."""
        store = self._store
        store.motion_permit = permit
        word = "given" if permit else "taken back"
        if store.motion_permit is not permit:
            return Outcome(False, f"motion permit {word}, but shared memory does not keep it")

        def look(now_ns: int) -> Outcome | str:
            status = fresh_status(store, now_ns)
            if status is None:
                return Outcome(True, f"motion permit {word}; {_NO_CYCLE}")
            reason = int(status.stop_reason)
            obeyed = reason not in (Stop.PERMIT,) if permit else reason >= Stop.PERMIT
            if obeyed:
                return Outcome(True, f"motion permit {word}; seen by cycle {int(status.cycle)}")
            return f"motion permit {word}, but the cycle does not show it"

        return Following(look, OBEY_NS, PERMIT)

    def clear_latch(self, action: Action) -> Carried:
        estop = self._store.estop
        sources = [source for source in EstopSource if action.sources >> source & 1]
        until = until_of(action.until)
        estop.clear(sources, until)
        names = ", ".join(source.name.lower() for source in sources)
        state = estop.state()
        left = (state.on_reset if until is Clear.ON_RESET else state.on_recovery) & action.sources
        self._log.append(EventKind.ESTOP_CLEARED, sources=names, why=action.cause)
        return Outcome(
            not left, f"cleared {names}" if not left else f"{names} did not all clear: raised anew"
        )

    def reset_faults(self, action: Action) -> Carried:
        self._store.request_fault_reset()
        return Outcome(True, f"fault reset {self._store.reset_count} asked of RT ({action.cause})")


def until_of(clear: ClearWhen | None) -> Clear:
    """What of the latch a policy's clear condition means; without one, a person clears it."""
    return Clear.ON_RECOVERY if clear is ClearWhen.GONE else Clear.ON_RESET
