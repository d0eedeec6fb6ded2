"""Orders on their way: each is read back in every pass until its outcome is known or its time is up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.model.actions import Action, ActionOutcome
from fieldstack.ha.model.outcome import Outcome, PendingReadback
from fieldstack.ha.monitor.retried import trace_of
from fieldstack_base.units import NS_PER_MS

Record = Callable[[Action, Outcome, int], None]
"""Takes an outcome down: action, outcome, how long it took (ns)."""


@dataclass(slots=True)
class _InFlightOrder:
    action: Action
    following: PendingReadback
    began_ns: int
    until_ns: int
    awaited: str = ""


def fault(log: EventLog | None, action: Action, error: Exception) -> Outcome:
    """An action that failed by a fault of ours; where, is written down."""
    text = f"{type(error).__name__}: {error}"[:300]
    if log is None:
        return Outcome(False, text)
    what = f"{action.kind.name} of {action.subject} failed: {text}"
    log.append(EventKind.SUPERVISION, severity=Severity.ERROR, what=what, traceback=trace_of(error))
    return Outcome(False, text)


class InFlightOrders:
    """All orders that are not confirmed yet, and the outcomes that the next decision has to know."""

    def __init__(self, record: Record, log: EventLog | None = None) -> None:
        self._record, self._log = record, log
        self._in_flight_orders: list[_InFlightOrder] = []
        self._outcomes: list[ActionOutcome] = []

    def begin(self, action: Action, following: PendingReadback, now_ns: int) -> None:
        """A later order on the same track ends the earlier one, which nobody awaits any more."""
        for flight in [one for one in self._in_flight_orders if one.following.track == following.track != ""]:
            self._in_flight_orders.remove(flight)
            self._end(flight, Outcome(True, f"overtaken by {action.kind.name} [{action.rule}]"), now_ns)
        patience_ns = action.timeout_ns or following.timeout_ns
        self._in_flight_orders.append(_InFlightOrder(action, following, now_ns, now_ns + patience_ns))

    def known(self, action: Action, outcome: Outcome, now_ns: int, took_ns: int = 0) -> None:
        """An outcome that needs no following, or no more."""
        self._record(action, outcome, took_ns)
        if action.id:
            self._outcomes.append(ActionOutcome(action.id, outcome.confirmed, outcome.text, now_ns))

    def poll_all(self, now_ns: int) -> tuple[ActionOutcome, ...]:
        """Read back what can be; the outcomes since the last look, for the next decision."""
        for flight in list(self._in_flight_orders):
            found = self._look(flight, now_ns)
            if isinstance(found, str):
                flight.awaited = found
                if now_ns < flight.until_ns:
                    continue
                patience_ms = (flight.until_ns - flight.began_ns) // NS_PER_MS
                found = Outcome(False, f"not read back within {patience_ms} ms: {found}")
            self._in_flight_orders.remove(flight)
            self._end(flight, found, now_ns)
        outcomes, self._outcomes = tuple(self._outcomes), []
        return outcomes

    def _look(self, flight: _InFlightOrder, now_ns: int) -> Outcome | str:
        try:
            return flight.following.poll(now_ns)
        except Exception as error:
            return fault(self._log, flight.action, error)

    def _end(self, flight: _InFlightOrder, outcome: Outcome, now_ns: int) -> None:
        self.known(flight.action, outcome, now_ns, now_ns - flight.began_ns)

    @property
    def busy(self) -> bool:
        return bool(self._in_flight_orders)

    def describe(self, now_ns: int) -> list[dict[str, Any]]:
        """What is in flight, for `status`."""
        return [
            {
                "action": flight.action.kind.name,
                "subject": flight.action.subject,
                "rule": flight.action.rule,
                "id": flight.action.id,
                "for_ms": (now_ns - flight.began_ns) / NS_PER_MS,
                "awaited": flight.awaited,
            }
            for flight in self._in_flight_orders
        ]
