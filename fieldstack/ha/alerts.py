"""The FailoverManager's port to the alert service: an event that people have to know becomes a report."""

from __future__ import annotations

import time
from pathlib import Path

from fieldstack.alerts.alert import Report
from fieldstack.alerts.service import AlertService
from fieldstack.alerts.settings import AlertsSection, load
from fieldstack.events.event import Event
from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack_rt.instance import Instance

STILL_NS = 5_000_000_000
"""A dispatcher makes four rounds a second; without one for this long it hangs."""


class Alerts:
    """`send` and `settle` never block and never raise: they only fill the service's inbox.

    It is also the module `alerts` of Non-RT: threads that can be restarted alone.
    """

    name = "alerts"

    def __init__(self, service: AlertService) -> None:
        self.service = service
        self.starts = 0
        self._beat = self._beat_ns = 0

    def send(self, event: Event) -> None:
        """Tell people of an event of kind `ha.alert`: rule, the fact's subject and cause make the report."""
        data = event.data
        self.service.raise_(
            Report(
                rule=str(data.get("rule") or event.kind),
                subject=str(data.get("fact_subject") or data.get("subject") or "cell"),
                text=str(data.get("cause") or event.text),
                severity=event.severity,
                event=event.sequence,
            )
        )

    def settle(self, active: frozenset[tuple[str, str]]) -> None:
        """(rule, subject) of all rules in effect: who was told of one that is gone is told of its end."""
        self.service.settle(active)

    # ---- as a module ----

    def start(self) -> None:
        self.starts += 1
        self._beat, self._beat_ns = self.service.beat, time.monotonic_ns()
        if self.starts > 1:
            self.service.restart()
        else:
            self.service.start()

    def trouble(self) -> str:
        now_ns = time.monotonic_ns()
        if self.service.beat != self._beat:
            self._beat, self._beat_ns = self.service.beat, now_ns
        if not self.service.alive:
            return "its thread has ended"
        still_ns = now_ns - self._beat_ns
        return f"no round for {still_ns / 1e9:.1f} s" if still_ns > STILL_NS else ""

    def tick(self) -> None:
        """Nothing to do in a pass."""

    def close(self) -> None:
        self.service.close()


def open_alerts(file: str, instance: Instance, log: EventLog) -> Alerts:
    """The port, not started yet. A file that can not be used costs the channels, not the cell:
    alerts then go to the journal, and the log says why."""
    section = AlertsSection()
    if file:
        try:
            section = load(Path(file))
        except (OSError, ValueError) as error:
            why = f"alerts go to the journal alone: {file} can not be used ({error})"
            log.append(EventKind.SUPERVISION, what=why)
    return Alerts(AlertService(section, instance.name, instance.state_dir))
