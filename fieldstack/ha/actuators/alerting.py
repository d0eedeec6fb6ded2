"""SEND_ALERT. An alert of a lost working counter waits, shortly, for RT to find out which slave it is."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.actions import Action
from fieldstack.ha.actuators.outcome import NS_PER_MS, Carried, Following, Outcome
from fieldstack.ha.alerts import Alerts
from fieldstack.ha.measures import FactKind
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore, TornRecordError

DIAGNOSIS_NS = 250 * NS_PER_MS
"""RT reads the slaves' states every 100 ms, and at once when the working counter drops; the reading takes
some milliseconds a slave that does not answer."""


class Alerting:
    """Hands alerts over; nothing but the alert's text ever waits: what stops the axes was done before."""

    def __init__(self, store: DataStore, log: EventLog, alerts: Alerts) -> None:
        self._store, self._log, self._alerts = store, log, alerts

    def carry(self, action: Action) -> Carried:
        seen = action.evidence
        if seen is None or seen.fact is not FactKind.WORKING_COUNTER_LOW or ": " in action.cause:
            outcome = self._send(action)
            return outcome if action.id else None
        until_ns = 0

        def look(now_ns: int) -> Outcome | str:
            nonlocal until_ns
            until_ns = until_ns or now_ns + DIAGNOSIS_NS
            if diagnosis := self._diagnosis():
                return self._send(replace(action, cause=f"{action.cause}: {diagnosis}"))
            if now_ns >= until_ns:
                return self._send(replace(action, cause=f"{action.cause}: RT has found no cause yet"))
            return "RT looks for the cause"

        return Following(look, 2 * DIAGNOSIS_NS)

    def _diagnosis(self) -> str:
        try:
            bus = self._store.rt_bus()
        except TornRecordError:
            return ""
        return bytes(ffi.buffer(bus.diagnosis)).split(b"\0", 1)[0].decode(errors="replace")

    def _send(self, action: Action) -> Outcome:
        event = self._log.append(EventKind.ALERT, **action.event_fields())
        self._alerts.send(event)
        return Outcome(True, f"alert {event.sequence} handed over")
