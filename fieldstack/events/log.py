"""The event log's writer: numbers events at once, writes and syncs them in its own thread.

Callers never wait for a disk. What can not be written (a full or broken disk) is kept in memory up to a
bound, then counted as lost; the log says so itself as soon as it can write again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fieldstack.events.clock import boot_id, wall_of
from fieldstack.events.event import Event
from fieldstack.events.kinds import EventKind, Severity, render
from fieldstack.events.writer import SegmentWriter

QUEUE_LIMIT = 8192
RETRY_S = 0.5
BATCH = 512


class EventLog:
    """Durable log in `state_dir/events`. One writer a folder: a second one raises EventLogBusyError.

    `append` may be called from any thread. `sync=False` leaves durability to the kernel (tests).
    """

    def __init__(
        self,
        state_dir: Path,
        segment_bytes: int = 4 << 20,
        total_bytes: int = 64 << 20,
        *,
        sync: bool = True,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self._writer = SegmentWriter(state_dir, segment_bytes, total_bytes, sync=sync)
        self._queue: deque[Event] = deque()
        self._limit = queue_limit
        self._changed = threading.Condition()
        self._next = self._writer.last + 1
        self._lost = 0
        self._first_lost = 0
        self._written = 0
        self._failure = ""
        self._closing = False
        self.on_event: Callable[[Event], None] | None = None
        self._thread = threading.Thread(target=self._run, name="event-log", daemon=True)
        self._thread.start()
        if cut := self._writer.repaired:
            self.append(EventKind.LOG_REPAIRED, file=cut.file.name, bytes=cut.removed)

    def append(
        self, kind: EventKind, *, t_ns: int = 0, severity: Severity | None = None, **data: Any
    ) -> Event:
        """Take an event in: `t_ns` (CLOCK_MONOTONIC, default now) and its fields. Never waits for a disk."""
        usual, text = render(kind, data)
        t_ns = t_ns or time.monotonic_ns()
        event = Event(0, t_ns, wall_of(t_ns), boot_id(), kind, severity or usual, text, data)
        with self._changed:
            event = replace(event, sequence=self._next)
            self._next += 1
            self._enqueue(event)
            self._changed.notify()
        if self.on_event:
            self.on_event(event)
        return event

    def _enqueue(self, event: Event) -> None:
        if len(self._queue) < self._limit:
            self._queue.append(event)
            return
        self._first_lost = self._first_lost or event.sequence
        self._lost += 1

    @property
    def written(self) -> int:
        """Events handed to the disk since this log was opened."""
        return self._written

    @property
    def lost(self) -> int:
        """Events that found the queue full and were not told of in the log yet."""
        return self._lost

    @property
    def failure(self) -> str:
        """Why nothing can be written at present; empty: it can."""
        return self._failure

    def flush(self, timeout_s: float = 2.0) -> bool:
        """Wait until all that was appended is on the disk; False when the time was up first."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while self._queue:
                rest = until - time.monotonic()
                if rest <= 0:
                    return False
                self._changed.notify()
                self._changed.wait(min(rest, 0.05))
        return True

    def close(self, timeout_s: float = 2.0) -> bool:
        """Write what is left (bounded) and end the thread; False if something could not be written."""
        done = self.flush(timeout_s)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._writer.close()
        return done

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closing:
                    self._changed.wait()
                if self._closing:
                    return
                batch = [self._queue[place] for place in range(min(len(self._queue), BATCH))]
            self._write(batch)

    def _write(self, batch: list[Event]) -> None:
        try:
            self._writer.write(batch)
        except OSError as error:
            self._failure = error.strerror or str(error)
            with self._changed:
                if not self._closing:
                    self._changed.wait(RETRY_S)
            return
        with self._changed:
            for _ in batch:
                self._queue.popleft()
            self._written += len(batch)
            self._changed.notify_all()
        self._tell_loss()

    def _tell_loss(self) -> None:
        why, self._failure = self._failure, ""
        with self._changed:
            lost, first, self._lost, self._first_lost = self._lost, self._first_lost, 0, 0
        if lost:
            self.append(EventKind.LOG_LOST, count=lost, first=first, why=why or "the queue was full")
