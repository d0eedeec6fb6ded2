"""AlertService takes reports in without ever waiting, and lets threads of its own do the rest.

One dispatcher thread deduplicates and routes, and touches memory alone. Another one writes to disk, and
each channel delivers in its own. `beat` counts the dispatcher's rounds: whoever supervises the service
restarts it when that stands still. In Non-RT that is the module `alerts`.
"""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from fieldstack.alerts.channel_pipeline import ChannelPipeline
from fieldstack.alerts.dedupe import Deduplicator, Message
from fieldstack.alerts.disk_writer import DiskWriter
from fieldstack.alerts.model.alert import Alert, AlertState, Report, make, new_id
from fieldstack.alerts.model.settings import AlertsSection
from fieldstack.alerts.powered_clock import PoweredClock, boot_time_ns
from fieldstack.alerts.receipt import Receipt
from fieldstack.alerts.spool import Entry, Spool
from fieldstack_base.clock import boot_id
from fieldstack_base.durable import DurableRecord

INBOX_LIMIT = 10_000
ROUND_S = 0.25
REPORT_AFTER_FAILURES = 5
"""A receiver that refused so often in a row is reported: that takes half a minute."""
RECORD = "alerts-firing"


def folder_of(state_dir: Path) -> Path:
    return state_dir / "alerts"


@dataclass(frozen=True, slots=True)
class _Cleared:
    key: str


@dataclass(frozen=True, slots=True)
class _ActiveSet:
    """All conditions that are there now; others have cleared."""

    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Raised:
    report: Report
    receipt: Receipt


_Item = _Raised | _Cleared | _ActiveSet


class AlertService:
    """`raise_`, `clear` and `set_active` may be called from any thread and cost microseconds."""

    def __init__(self, section: AlertsSection, instance: str, state_dir: Path) -> None:
        self._instance = instance
        self._inbox: deque[_Item] = deque()
        self._wake = threading.Event()
        self._active: frozenset[str] | None = None
        self._dedupe = Deduplicator(round(section.window_s * 1e9), new_id)
        self._record = DurableRecord(state_dir, RECORD)
        self._watched: frozenset[str] = frozenset()
        self._problem = ""
        self._clock = PoweredClock(boot_id())
        self.taken = 0
        """All reports of events up to this one are where nothing loses them; -1: nobody knows."""
        self._open: deque[Receipt] = deque()
        self._lock = threading.Lock()
        self._restore()
        folder = folder_of(state_dir)
        self._pipelines = [
            ChannelPipeline(name, one, folder, self._now_ns) for name, one in section.channels.items()
        ]
        self.beat = 0
        self.overflow = 0
        """Reports that found the inbox full."""
        self._ending = threading.Event()
        self._thread = self._make_thread()
        self._disk_writer = self._make_disk_writer()

    def _restore(self) -> None:
        data = self._record.load().data
        if data is not None:
            try:
                self._dedupe.restore(data["incidents"], time.monotonic_ns())
                self.taken = int(data.get("taken", -1))
                self._clock = PoweredClock(boot_id(), data.get("clock"))
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                self._problem = f"what was firing before is not known: {error!r}"
        self._watched = self._dedupe.firing()

    # ---- for callers ----

    def raise_(self, report: Report) -> Receipt:
        """A rule took effect: people are informed. The receipt says when that cannot be lost any more."""
        receipt = Receipt(report.event)
        with self._lock:
            taken_in = self._put(_Raised(report, receipt))
            if taken_in and report.event:
                self._open.append(receipt)
        if not taken_in:
            receipt.refused = f"the alert service has {INBOX_LIMIT} reports to look at and takes no more"
        return receipt

    def clear(self, rule: str, subject: str) -> None:
        """Its condition has gone: those who received the alert are informed."""
        self._put(_Cleared(f"{rule}|{subject}"))

    def set_active(self, active: frozenset[tuple[str, str]]) -> None:
        """All (rule, subject) that count now: those of an earlier call that are missing have cleared."""
        keys = frozenset(f"{rule}|{subject}" for rule, subject in active)
        if keys != self._active:
            self._active = keys
            self._put(_ActiveSet(keys))

    def _put(self, item: _Item) -> bool:
        if len(self._inbox) >= INBOX_LIMIT:
            self.overflow += 1
            return False
        self._inbox.append(item)
        self._wake.set()
        return True

    # ---- life ----

    def start(self) -> AlertService:
        for pipeline in self._pipelines:
            pipeline.spool.on_finished = self._wake_disk_writer
            pipeline.delivery.start()
        self._disk_writer.start()
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
        self._disk_writer.close(0.0)
        self._thread, self._disk_writer = self._make_thread(), self._make_disk_writer()
        for pipeline in self._pipelines:
            pipeline.restart_delivery()
        self._disk_writer.start()
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Put what was taken in on disk and end, within the time; the rest waits for the next start."""
        until = time.monotonic() + timeout_s
        self._ending.set()
        self._wake.set()
        self._thread.join(timeout_s)
        self._round(time.monotonic_ns())
        for pipeline in self._pipelines:
            pipeline.delivery.end()
        self._disk_writer.close(max(0.1, until - time.monotonic()))
        for pipeline in self._pipelines:
            pipeline.delivery.join(max(0.0, until - time.monotonic()))

    def status(self) -> dict[str, Any]:
        """For `status` of the control socket: what is firing, and each channel's numbers."""
        return {
            "beat": self.beat,
            "overflow": self.overflow,
            "problem": self._problem or self._disk_writer.failure,
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
            "channels": {pipeline.name: pipeline.status() for pipeline in self._pipelines},
        }

    def refused(self) -> dict[str, tuple[int, str]]:
        """Channels whose receivers refuse what they are sent: how often in a row, and why the last time."""
        counts = {pipeline.name: pipeline.counts for pipeline in self._pipelines}
        return {
            name: (one.consecutive_failures, one.last_error)
            for name, one in counts.items()
            if one.consecutive_failures >= REPORT_AFTER_FAILURES
        }

    def disk_refused(self) -> dict[str, tuple[int, str]]:
        """`alerts`: how often in a row the disk has refused their record, and why; empty: it takes it."""
        disk_writer = self._disk_writer
        return {"alerts": (disk_writer.failures, disk_writer.failure)} if disk_writer.failures else {}

    # ---- dispatcher ----

    def _make_disk_writer(self) -> DiskWriter:
        return DiskWriter([pipeline.spool for pipeline in self._pipelines], self._record, self._content)

    def _content(self) -> dict[str, Any]:
        """For the disk_writer, after it has brought the queues to the disk."""
        with self._lock:
            while self._open and (self._open[0].refused or not self._open[0].awaited):
                self.taken = self._open.popleft().event
        clock = self._clock.to_dict(boot_time_ns())
        return {"incidents": self._dedupe.to_dict(), "taken": self.taken, "clock": clock}

    def _now_ns(self) -> int:
        return self._clock.at(boot_time_ns())

    def _wake_disk_writer(self) -> None:
        self._disk_writer.wake()

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
                self._take_in(item, now_ns)
        for message in self._dedupe.due(now_ns):
            self._route(self._alert(message), now_ns)
            changed = True
        for pipeline in self._pipelines:
            changed |= self._service_channel(pipeline, now_ns)
        if changed:
            self._disk_writer.wake()

    def _take_in(self, item: _Item, now_ns: int) -> None:
        try:
            messages = [self._route(self._alert(one), now_ns) for one in self._messages_for(item, now_ns)]
        except Exception as error:  # a report that nobody can make an alert of: the others are sent
            self._problem = f"a report could not be taken: {type(error).__name__}: {error}"
            traceback.print_exc()
            if isinstance(item, _Raised):
                item.receipt.refused = self._problem
            return
        if isinstance(item, _Raised):
            item.receipt.messages = list(chain.from_iterable(messages))

    def _messages_for(self, item: _Item, now_ns: int) -> list[Message]:
        if isinstance(item, _Raised):
            report = item.report
            return self._dedupe.fired(report, now_ns, held=report.key in self._watched)
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

    def _route(self, alert: Alert, now_ns: int) -> list[tuple[Spool, Entry]]:
        pipelines = [pipeline for pipeline in self._pipelines if pipeline.route.admits(alert, now_ns)]
        return [(pipeline.spool, pipeline.spool.push(alert)) for pipeline in pipelines]

    def _service_channel(self, pipeline: ChannelPipeline, now_ns: int) -> bool:
        if pipeline.delivery.stuck(now_ns) or not pipeline.delivery.alive:
            pipeline.restart_delivery()
        if (report := pipeline.route.summary(now_ns)) is not None:
            pipeline.spool.push(make(report, AlertState.SUMMARY, self._instance, time.time_ns()))
            return True
        return False
