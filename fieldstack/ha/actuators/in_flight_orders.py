"""Orders on their way: polled in every pass until they were read back. The FailoverManager keeps them.

How long an order may take is the decision's to say: an action of a rule brings its deadline, and the decision
escalates what has failed. This module only reports what was read back, or what was still awaited at the
deadline.
Record: docs/decisions/0041-the-decision-owns-the-deadline.md.
"""

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
"""Records an outcome: action, outcome, how long it took (ns)."""


@dataclass(slots=True, eq=False)
class _Order:
    """`deadline_ns`: the decision's; of an order that no rule gave, the one that its read-back allows."""

    action: Action
    readback: PendingReadback
    began_ns: int
    deadline_ns: int
    awaited: str = ""

    def missed(self) -> Outcome:
        limit_ms = (self.deadline_ns - self.began_ns) // NS_PER_MS
        return Outcome(False, f"not read back within {limit_ms} ms: {self.awaited}")


def fault(log: EventLog | None, action: Action, error: Exception) -> Outcome:
    """An action that failed because of a defect in our code; the log gets the place."""
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
        self._orders: list[_Order] = []
        self._outcomes: list[ActionOutcome] = []

    def begin(self, action: Action, readback: PendingReadback, now_ns: int) -> None:
        """A later order on the same track ends the earlier one, which nobody awaits any more."""
        for earlier in [one for one in self._orders if one.readback.track == readback.track != ""]:
            self._end(earlier, Outcome(True, f"overtaken by {action.kind.name} [{action.rule}]"), now_ns)
        deadline_ns = action.deadline_ns or now_ns + readback.timeout_ns
        self._orders.append(_Order(action, readback, now_ns, deadline_ns))

    def known(self, action: Action, outcome: Outcome, now_ns: int, took_ns: int = 0) -> None:
        """An outcome that is final."""
        self._record(action, outcome, took_ns)
        if action.id:
            self._outcomes.append(ActionOutcome(action.id, outcome.confirmed, outcome.text, now_ns))

    def poll_all(self, now_ns: int) -> tuple[ActionOutcome, ...]:
        """Read back what can be; the outcomes since the last call, for the next decision."""
        for order in list(self._orders):
            if (outcome := self._poll(order, now_ns)) is not None:
                self._end(order, outcome, now_ns)
        outcomes, self._outcomes = tuple(self._outcomes), []
        return outcomes

    def _poll(self, order: _Order, now_ns: int) -> Outcome | None:
        """None: it is still awaited, and its deadline has not come."""
        try:
            found = order.readback.poll(now_ns)
        except Exception as error:
            return fault(self._log, order.action, error)
        if isinstance(found, Outcome):
            return found
        order.awaited = found
        return order.missed() if now_ns >= order.deadline_ns else None

    def _end(self, order: _Order, outcome: Outcome, now_ns: int) -> None:
        self._orders.remove(order)
        self.known(order.action, outcome, now_ns, now_ns - order.began_ns)

    @property
    def busy(self) -> bool:
        return bool(self._orders)

    def describe(self, now_ns: int) -> list[dict[str, Any]]:
        """What is in flight, for `status`."""
        return [
            {
                "action": order.action.kind.name,
                "subject": order.action.subject,
                "rule": order.action.rule,
                "id": order.action.id,
                "for_ms": (now_ns - order.began_ns) / NS_PER_MS,
                "awaited": order.awaited,
            }
            for order in self._orders
        ]
