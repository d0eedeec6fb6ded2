"""Delivers one channel's alerts: a thread of its own takes the oldest and tries until the receiver has it.

Each channel's pipeline has one.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from fieldstack.alerts.backoff import delay_ns
from fieldstack.alerts.channels.base import Channel, DeliveryError
from fieldstack.alerts.model.alert import Alert
from fieldstack.alerts.spool import Entry, Spool
from fieldstack_base.units import NS_PER_HOUR, NS_PER_S

STUCK_TIMES = 3
IDLE_S = 0.5


@dataclass(slots=True)
class Counts:
    """Of one channel since the service's start. `failing_since_ns`: CLOCK_MONOTONIC; 0: it does not fail.

    `consecutive_failures`: attempts since the last delivery.
    """

    delivered: int = 0
    failed: int = 0
    consecutive_failures: int = 0
    given_up: int = 0
    last_error: str = ""
    last_delivered_wall_ns: int = 0
    failing_since_ns: int = 0


class Delivery:
    """`name` is the channel's. It can be replaced at any time: what is in flight may then come twice."""

    def __init__(self, name: str, channel: Channel, spool: Spool, keep_hours: float, counts: Counts) -> None:
        self.name = name
        self._channel, self._spool, self._counts = channel, spool, counts
        self._keep_ns = round(keep_hours * NS_PER_HOUR)
        self._ending = threading.Event()
        self._busy_since_ns = 0
        self._attempt = 0
        self._thread = threading.Thread(target=self._run, name=f"alerts-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stuck(self, now_ns: int) -> bool:
        """It is in an attempt that should have ended long ago, for example in a name look-up without end."""
        since_ns = self._busy_since_ns
        allowed_ns = round((STUCK_TIMES * self._channel.timeout_s + 1.0) * NS_PER_S)
        return bool(since_ns) and now_ns - since_ns > allowed_ns

    def end(self) -> None:
        """Ask it to end; an attempt on its way is left to itself."""
        self._ending.set()
        with self._spool.changed:
            self._spool.changed.notify_all()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._ending.is_set():
            entry = self._spool.head()
            if entry is None:
                with self._spool.changed:
                    self._spool.changed.wait(IDLE_S)
                continue
            if wait_s := self._attempt_once(entry):
                self._ending.wait(wait_s)

    def _attempt_once(self, entry: Entry) -> float:
        """Seconds to wait before the next attempt; 0: go on with the next alert."""
        self._busy_since_ns = time.monotonic_ns()
        try:
            self._channel.deliver(entry.alert)
        except DeliveryError as error:
            return self._failed(entry, error)
        except Exception as error:  # a fault of ours must not end the thread, nor lose the alert
            return self._failed(entry, DeliveryError(f"{type(error).__name__}: {error}"))
        finally:
            self._busy_since_ns = 0
        self._delivered(entry)
        return 0.0

    def _delivered(self, entry: Entry) -> None:
        """Also by a delivery that was to end: what the receiver has is not sent again."""
        counts = self._counts
        counts.delivered += self._spool.done(entry)
        counts.last_delivered_wall_ns, counts.failing_since_ns = time.time_ns(), 0
        counts.consecutive_failures = 0
        self._attempt = 0

    def _failed(self, entry: Entry, error: DeliveryError) -> float:
        counts = self._counts
        counts.failed += 1
        counts.consecutive_failures += 1
        counts.last_error = str(error)
        counts.failing_since_ns = counts.failing_since_ns or time.monotonic_ns()
        if error.permanent:
            self._give_up(entry, str(error))
            self._attempt = 0
            return 0.0
        if self._spool.age_ns(entry) > self._keep_ns:
            self._give_up(entry, f"its receiver was away for too long ({error}): {entry.alert.title}")
            return 0.0
        self._attempt += 1
        return max(error.wait_s, delay_ns(self._attempt, entry.alert.id) / NS_PER_S)

    def _give_up(self, entry: Entry, why: str) -> None:
        self._counts.given_up += self._spool.done(entry)
        self._counts.last_error = why


def deliver_once(channel: Channel, alert: Alert) -> tuple[bool, str, float]:
    """One attempt, without a queue: whether it was taken, what was said, and how many seconds it took."""
    begin = time.monotonic()
    try:
        taken, said = True, channel.deliver(alert)
    except DeliveryError as error:
        taken, said = False, str(error)
    return taken, said, time.monotonic() - begin
