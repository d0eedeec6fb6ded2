"""The port of Non-RT to the alert service: an event that people have to know becomes a report.

Whoever alerts calls `Alerts.send`. It is also the module `alerts`, whose threads can be restarted alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldstack.events.event import Event
from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.events.reader import EventReader
from fieldstack.ha.modules.module import STARTING
from fieldstack.ha.monitor.liveness import LivenessRule
from fieldstack_base.instance import Instance
from fieldstack_base.units import NS_PER_S

if TYPE_CHECKING:
    from fieldstack.alerts.model.alert import Report
    from fieldstack.alerts.receipt import Receipt
    from fieldstack.alerts.service import AlertService

LIVENESS = LivenessRule.by_time(timeout_ns=5 * NS_PER_S, grace_ns=0)
"""A dispatcher makes four rounds a second; without one for this long it hangs."""
EARLY_LIMIT = 1000
END_S = 2.0
LOOK_BACK = 1000
"""How many events of an earlier life are searched for alerts that were never sent."""

Active = frozenset[tuple[str, str]]


@dataclass(slots=True)
class Sent:
    """An alert on its way; `receipt` is the service's, once it has it."""

    event: Event
    receipt: Receipt | None = None


class Alerts:
    """`send` and `set_active` never block and never raise: they only fill the service's inbox.

    It is also the module `alerts` of Non-RT: threads that can be restarted alone. `make` may be slow, because
    it runs in a thread; what was sent before is passed on afterwards, in order.
    """

    name = "alerts"

    def __init__(self, make: Callable[[], AlertService]) -> None:
        self.service: AlertService | None = None
        self.starts = 0
        self._make = make
        self._maker: threading.Thread | None = None
        self._refused = STARTING
        self._early: deque[Sent | Active] = deque(maxlen=EARLY_LIMIT)
        self._handover = threading.Lock()
        self._beat = self._beat_ns = 0

    def send(self, event: Event) -> Sent:
        """Send an alert for an event of kind `ha.alert`: its rule, subject and cause are the report."""
        sent = Sent(event)
        self._tell(sent)
        return sent

    def awaited(self, sent: Sent) -> str:
        """What still has to happen before nothing can lose the alert; empty: nothing."""
        if sent.receipt is None:
            return f"the alert service has not begun ({self.trouble() or STARTING})"
        return sent.receipt.awaited

    def refused(self) -> dict[str, tuple[int, str]]:
        """Channels that deliver nothing: how often in a row it was tried, and why the last attempt failed."""
        return self.service.refused() if self.service is not None else {}

    def disk_refused(self) -> dict[str, tuple[int, str]]:
        """The record of alerts, if the disk does not take it: how often in a row that failed, and why."""
        return self.service.disk_refused() if self.service is not None else {}

    def set_active(self, active: Active) -> None:
        """(rule, subject) of all active rules. If an alert was sent for a rule that is gone, its end is
        reported, too."""
        if self.service is None and self._early and self._early[-1] == active:
            return
        self._tell(active)

    def _tell(self, item: Sent | Active) -> None:
        with self._handover:
            if self.service is None:
                self._early.append(item)
            else:
                _put(self.service, item)

    # ---- as a module ----

    def start(self) -> None:
        self.starts += 1
        if self.service is not None:
            self._watch(self.service)
            self.service.restart()
        elif self._maker is None or not self._maker.is_alive():
            self._refused = STARTING
            self._maker = threading.Thread(target=self._begin, name="start-alerts", daemon=True)
            self._maker.start()

    def _begin(self) -> None:
        try:
            service = self._make()
            service.start()
        except Exception as error:
            self._refused = f"could not be started: {error!r}"
            return
        self._watch(service)
        with self._handover:
            while self._early:
                _put(service, self._early.popleft())
            self.service = service

    def _watch(self, service: AlertService) -> None:
        self._beat, self._beat_ns = service.beat, time.monotonic_ns()

    def trouble(self) -> str:
        service, now_ns = self.service, time.monotonic_ns()
        if service is None:
            return self._refused
        if service.beat != self._beat:
            self._beat, self._beat_ns = service.beat, now_ns
        if not service.alive:
            return "its thread has ended"
        still_ns = now_ns - self._beat_ns
        return f"no round for {still_ns / 1e9:.1f} s" if LIVENESS.silent(still_ns) else ""

    def tick(self) -> None:
        """Nothing to do in a pass."""

    def status(self) -> dict[str, Any]:
        """For `status`."""
        if self.service is not None:
            return self.service.status()
        return {"beat": 0, "overflow": 0, "problem": self._refused, "firing": [], "channels": {}}

    def close(self) -> None:
        """Puts alerts on disk that were sent so early that nobody has taken them yet."""
        if self._maker is not None:
            self._maker.join(END_S)
        if self.service is None and any(isinstance(one, Sent) for one in self._early):
            self._begin()
        if self.service is not None:
            self.service.close()


def _put(service: AlertService, item: Sent | Active) -> None:
    if isinstance(item, frozenset):
        service.set_active(item)
    else:
        item.receipt = service.raise_(_report(item.event))


def _report(event: Event, remark: str = "") -> Report:
    from fieldstack.alerts.model.alert import Report  # loaded with the service

    data = event.data
    return Report(
        rule=str(data.get("rule") or event.kind),
        subject=str(data.get("fact_subject") or data.get("subject") or "cell"),
        text=str(data.get("cause") or event.text) + remark,
        severity=event.severity,
        event=event.sequence,
    )


def _make_up_for(service: AlertService, log: EventLog, state_dir: Path, last: int) -> None:
    """Send alerts that an earlier process wrote as events (up to `last`) and did not pass on. Rules that wait
    for a person are in force again without being ordered again, so nobody else would send these alerts."""
    if service.taken < 0 or service.taken > last:
        service.taken = last
    log.flush(1.0)  # what that process left in shared memory
    for event in EventReader(state_dir).last(LOOK_BACK):
        if event.kind is EventKind.ALERT and service.taken < event.sequence <= last:
            service.raise_(_report(event, f" (of {event.when:%Y-%m-%d %H:%M:%S} UTC, sent late)"))


def open_alerts(file: str, instance: Instance, log: EventLog) -> Alerts:
    """The port, not started yet. A file that cannot be used loses the channels, not the cell: alerts then go
    to the journal, and the log says why."""
    last = log.last

    def make() -> AlertService:
        """Settings and channels load much that supervision does not need, so they are loaded after the first
        beat."""
        from fieldstack.alerts.model.settings import AlertsSection, load
        from fieldstack.alerts.service import AlertService

        section = AlertsSection()
        if file:
            try:
                section = load(Path(file))
            except (OSError, ValueError) as error:
                why = f"alerts go to the journal alone: {file} cannot be used ({error})"
                log.append(EventKind.SUPERVISION, what=why)
        service = AlertService(section, instance.name, instance.state_dir)
        _make_up_for(service, log, instance.state_dir, last)
        return service

    return Alerts(make)
