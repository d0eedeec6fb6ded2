"""AlertService: takes reports in without ever waiting, and lets threads of its own do the rest.

One dispatcher thread deduplicates and routes, and touches memory alone; another one writes to disk, and each
channel delivers in its own. `beat` counts the dispatcher's rounds: who supervises the service restarts it
when that stands still.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldstack.alerts.alert import Alert, AlertState, Report, make, new_id
from fieldstack.alerts.channels.make import make_channel
from fieldstack.alerts.dedupe import Deduplicator, Message
from fieldstack.alerts.delivery import Counts, Delivery
from fieldstack.alerts.keeper import Keeper
from fieldstack.alerts.routing import Route
from fieldstack.alerts.settings import AlertsSection, ChannelSection
from fieldstack.alerts.spool import Spool
from fieldstack.alerts.token_bucket import TokenBucket
from fieldstack.ha.durable import DurableRecord

INBOX_LIMIT = 10_000
ROUND_S = 0.25
RECORD = "alerts-firing"


def folder_of(state_dir: Path) -> Path:
    return state_dir / "alerts"


@dataclass(frozen=True, slots=True)
class _Cleared:
    key: str


@dataclass(frozen=True, slots=True)
class _Settled:
    """All conditions that are there now; others have cleared."""

    keys: frozenset[str]


_Item = Report | _Cleared | _Settled


class _Lane:
    """One channel: its gate, its queue, its delivery."""

    def __init__(self, name: str, section: ChannelSection, folder: Path) -> None:
        self.name, self._section = name, section
        self.route = Route(section.min_severity, TokenBucket(section.per_minute, section.burst))
        self.spool = Spool(folder / name)
        self.counts = Counts()
        self.delivery = self._make()

    def _make(self) -> Delivery:
        channel = make_channel(self._section)
        return Delivery(self.name, channel, self.spool, self._section.keep_hours, self.counts)

    def renew(self) -> None:
        """Another delivery thread; the old one ends by itself when it can."""
        self.delivery.end()
        self.delivery = self._make()
        self.delivery.start()

    def status(self) -> dict[str, Any]:
        counts, spool = self.counts, self.spool
        return {
            "queued": len(spool),
            "delivered": counts.delivered,
            "failed": counts.failed,
            "held_back": self.route.held_back,
            "dropped": spool.dropped + spool.damaged + counts.given_up,
            "last_error": counts.last_error,
            "failing": bool(counts.failing_since_ns),
            "disk": spool.failure,
        }


class AlertService:
    """`raise_`, `clear` and `settle` may be called from any thread and cost microseconds."""

    def __init__(self, section: AlertsSection, instance: str, state_dir: Path) -> None:
        self._instance = instance
        self._inbox: deque[_Item] = deque()
        self._wake = threading.Event()
        self._settled: frozenset[str] | None = None
        self._dedupe = Deduplicator(round(section.window_s * 1e9), new_id)
        folder = folder_of(state_dir)
        self._lanes = [_Lane(name, one, folder) for name, one in section.channels.items()]
        self._record = DurableRecord(state_dir, RECORD)
        self._watched: frozenset[str] = frozenset()
        self._problem = ""
        self._restore()
        self.beat = 0
        self.overflow = 0
        """Reports that found the inbox full."""
        self._ending = threading.Event()
        self._thread = self._make_thread()
        self._keeper = self._make_keeper()

    def _restore(self) -> None:
        data = self._record.load().data
        if data is not None:
            try:
                self._dedupe.restore(data["incidents"], time.monotonic_ns())
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                self._problem = f"what was firing before is not known: {error!r}"
        self._watched = self._dedupe.firing()

    # ---- for callers ----

    def raise_(self, report: Report) -> None:
        """A rule took effect: tell people."""
        self._put(report)

    def clear(self, rule: str, subject: str) -> None:
        """Its condition has gone: tell those who were told of it."""
        self._put(_Cleared(f"{rule}|{subject}"))

    def settle(self, active: frozenset[tuple[str, str]]) -> None:
        """All (rule, subject) that count now: those of an earlier call that are missing have cleared."""
        keys = frozenset(f"{rule}|{subject}" for rule, subject in active)
        if keys != self._settled:
            self._settled = keys
            self._put(_Settled(keys))

    def _put(self, item: _Item) -> None:
        if len(self._inbox) >= INBOX_LIMIT:
            self.overflow += 1
            return
        self._inbox.append(item)
        self._wake.set()

    # ---- life ----

    def start(self) -> AlertService:
        for lane in self._lanes:
            lane.spool.on_over = self._wake_keeper
            lane.delivery.start()
        self._keeper.start()
        self._thread.start()
        return self

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def restart(self) -> None:
        """New threads for all; nothing that was taken in is lost."""
        self._ending.set()
        self._wake.set()
        self._ending = threading.Event()
        self._keeper.close(0.0)
        self._thread, self._keeper = self._make_thread(), self._make_keeper()
        for lane in self._lanes:
            lane.renew()
        self._keeper.start()
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Put what was taken in on disk and end, within the time; the rest waits for the next start."""
        until = time.monotonic() + timeout_s
        self._ending.set()
        self._wake.set()
        self._thread.join(timeout_s)
        self._round(time.monotonic_ns())
        for lane in self._lanes:
            lane.delivery.end()
        self._keeper.close(max(0.1, until - time.monotonic()))
        for lane in self._lanes:
            lane.delivery.join(max(0.0, until - time.monotonic()))

    def status(self) -> dict[str, Any]:
        """For `status` of the control socket: what is firing, and each channel's numbers."""
        return {
            "beat": self.beat,
            "overflow": self.overflow,
            "problem": self._problem or self._keeper.failure,
            "firing": [
                {
                    "rule": one.report.rule,
                    "subject": one.report.subject,
                    "count": one.total,
                    "text": one.report.text,
                }
                for one in self._dedupe.incidents()
                if one.firing
            ],
            "channels": {lane.name: lane.status() for lane in self._lanes},
        }

    # ---- dispatcher ----

    def _make_keeper(self) -> Keeper:
        return Keeper([lane.spool for lane in self._lanes], self._record, self._dedupe.to_dict)

    def _wake_keeper(self) -> None:
        self._keeper.wake()

    def _make_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, args=(self._ending,), name="alerts", daemon=True)

    def _run(self, ending: threading.Event) -> None:
        while not ending.is_set():
            self._wake.wait(ROUND_S)
            self._wake.clear()
            if not ending.is_set():
                self._round(time.monotonic_ns())
                self.beat += 1

    def _round(self, now_ns: int) -> None:
        changed = False
        with contextlib.suppress(IndexError):  # empty
            while True:
                item = self._inbox.popleft()
                changed = True
                for message in self._judge(item, now_ns):
                    self._route(self._alert(message), now_ns)
        for message in self._dedupe.due(now_ns):
            self._route(self._alert(message), now_ns)
            changed = True
        for lane in self._lanes:
            changed |= self._tend(lane, now_ns)
        if changed:
            self._keeper.wake()

    def _judge(self, item: _Item, now_ns: int) -> list[Message]:
        if isinstance(item, Report):
            return self._dedupe.fired(item, now_ns, held=item.key in self._watched)
        if isinstance(item, _Cleared):
            return self._dedupe.cleared(item.key, now_ns)
        gone, self._watched = self._watched - item.keys, item.keys
        self._dedupe.hold(item.keys)
        return [message for key in sorted(gone) for message in self._dedupe.cleared(key, now_ns)]

    def _alert(self, message: Message) -> Alert:
        return make(
            message.report,
            message.state,
            self._instance,
            time.time_ns(),
            incident=message.incident,
            count=message.count,
        )

    def _route(self, alert: Alert, now_ns: int) -> None:
        for lane in self._lanes:
            if lane.route.admits(alert, now_ns):
                lane.spool.push(alert)

    def _tend(self, lane: _Lane, now_ns: int) -> bool:
        if lane.delivery.stuck(now_ns) or not lane.delivery.alive:
            lane.renew()
        if (report := lane.route.summary(now_ns)) is not None:
            lane.spool.push(make(report, AlertState.SUMMARY, self._instance, time.time_ns()))
            return True
        return False
