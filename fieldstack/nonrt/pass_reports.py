"""Writes reports of a supervision pass about itself, to the log and to people. Used by `Supervision`."""

from __future__ import annotations

from collections.abc import Iterable

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.alerts import Alerts
from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.model.states import HaState
from fieldstack.ha.monitor.retried import trace_of

FLUSH_S = 1.0
"""A process that is about to end waits this long for its last events to be written."""


class PassReports:
    """Writes events. An alert is an event that is also sent to people."""

    def __init__(self, log: EventLog, alerts: Alerts) -> None:
        self._log, self._alerts = log, alerts
        self._log_failure = ""

    def state_changed(self, before: DecisionState, after: DecisionState) -> None:
        if after.ha is before.ha:
            return
        self._log.append(
            EventKind.STATE_CHANGED,
            t_ns=after.since_ns,
            severity=Severity.INFO if after.ha is HaState.OPERATIONAL else Severity.WARNING,
            before=before.ha.name,
            after=after.ha.name,
            reason=after.reason,
            lasted_ns=max(0, after.since_ns - before.since_ns),
        )

    def words_repaired(self, names: Iterable[str]) -> None:
        """Reports words of the shared memory that were damaged and have their right value again."""
        what = f"damaged in the shared memory, and as they should be again: {', '.join(names)}"
        self._log.append(EventKind.SUPERVISION, severity=Severity.WARNING, what=what)

    def pass_failed(self, error: Exception, consecutive: int) -> str:
        """Returns what was written down."""
        what = f"a pass failed ({consecutive} in a row): {type(error).__name__}: {error}"[:300]
        self._log.append(EventKind.SUPERVISION, severity=Severity.ERROR, what=what, traceback=trace_of(error))
        return what

    def ends(self, what: str) -> None:
        """Reports why this process ends. Waits, bounded, until it is written."""
        cause = f"{what}; the axes lose their permit, Non-RT ends and is started again"
        self._alert("supervision-failed", cause)
        self._log.flush(FLUSH_S)

    def watch_log(self) -> None:
        """A log that cannot write causes an alert, once each time."""
        failure = self._log.failure
        if failure and failure != self._log_failure:
            self._alert("event-log", f"events cannot be written ({failure}): they are kept in memory")
        self._log_failure = failure

    def _alert(self, rule: str, cause: str) -> None:
        self._alerts.send(self._log.append(EventKind.ALERT, rule=rule, cause=cause))
