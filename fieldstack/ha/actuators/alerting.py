"""Carries out SEND_ALERT.

An alert of a low working counter waits, shortly, until RT knows which slave it is. Used by the
FailoverManager.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.alerts import Alerts, Sent
from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.outcome import ExecutionResult, Outcome, PendingReadback
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore, TornRecordError

DIAGNOSIS_NS = 250 * NS_PER_MS
"""RT reads the slaves' states every 100 ms, and at once when the working counter drops; the reading takes
some milliseconds a slave that does not answer."""
KEPT_NS = 5000 * NS_PER_MS


class Alerting:
    """Passes alerts on. Only the alert's text ever waits; stops of axes were done before. An alert is
    confirmed when nothing can lose it any more: it is on the disk, or a receiver has it."""

    def __init__(self, store: DataStore, log: EventLog, alerts: Alerts) -> None:
        self._store, self._log, self._alerts = store, log, alerts

    def execute(self, action: Action) -> ExecutionResult:
        seen = action.evidence
        if seen is None or seen.fact is not FactKind.WORKING_COUNTER_LOW or ": " in action.cause:
            sent = self._send(action)
            return PendingReadback(lambda _now_ns: self._kept(sent), KEPT_NS) if action.id else None
        sent_later: list[Sent] = []
        until_ns = 0

        def poll(now_ns: int) -> Outcome | str:
            nonlocal until_ns
            until_ns = until_ns or now_ns + DIAGNOSIS_NS
            if sent_later:
                return self._kept(sent_later[0])
            diagnosis = self._diagnosis()
            if not diagnosis and now_ns < until_ns:
                return "RT looks for the cause"
            cause = f"{action.cause}: {diagnosis or 'RT has found no cause yet'}"
            sent_later.append(self._send(replace(action, cause=cause)))
            return self._kept(sent_later[0])

        return PendingReadback(poll, 2 * DIAGNOSIS_NS + KEPT_NS)

    def _diagnosis(self) -> str:
        try:
            bus = self._store.rt_bus()
        except TornRecordError:
            return ""
        return bytes(ffi.buffer(bus.diagnosis)).split(b"\0", 1)[0].decode(errors="replace")

    def _send(self, action: Action) -> Sent:
        return self._alerts.send(self._log.append(EventKind.ALERT, **action.event_fields()))

    def _kept(self, sent: Sent) -> Outcome | str:
        return self._alerts.awaited(sent) or Outcome(True, f"alert {sent.event.sequence} is kept")
