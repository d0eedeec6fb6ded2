"""Writes the event log: numbers events at once, writes and syncs them in its own thread.

Non-RT has the only log of a running cell; the end of a cell opens it when a killed Non-RT left events.
Callers never wait for a disk. If the disk is full or broken, events stay in the spool up to its size; then
they are counted as lost, and the log reports this when it can write again. An event for which `append` has
returned survives SIGKILL: the next writer finds it in the spool.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldstack.events.event import DamagedLineError, Event, decode, sequence_of
from fieldstack.events.kinds import EventKind, Severity, render
from fieldstack.events.spool import Spool
from fieldstack.events.writer import SegmentWriter
from fieldstack_base.clock import boot_id, wall_of

SPOOL_BYTES = 4 << 20
RETRY_S = 0.5
BATCH_BYTES = 256 << 10


class EventLog:
    """A durable log in `state_dir/events`. A folder has one writer; a second one raises EventLogBusyError.

    `append` may be called from any thread. `sync=False` leaves durability to the kernel (tests). `spool`
    names the shared memory for events that are not written yet; None: the process's own memory.
    """

    def __init__(
        self,
        state_dir: Path,
        segment_bytes: int = 4 << 20,
        total_bytes: int = 64 << 20,
        *,
        sync: bool = True,
        spool: str | None = None,
        spool_bytes: int = SPOOL_BYTES,
    ) -> None:
        self._writer = SegmentWriter(state_dir, segment_bytes, total_bytes, sync=sync)
        self._spool = Spool(spool, spool_bytes, self._writer.identity)
        self._changed = threading.Condition()
        self._next = self._writer.last + 1
        self._lost = 0
        self._first_lost = 0
        self._written = 0
        self._failure = ""
        self._failures = 0
        self._closing = False
        self.on_event: Callable[[Event], None] | None = None
        recovered = self._recover()
        self._thread = threading.Thread(target=self._run, name="event-log", daemon=True)
        self._thread.start()
        if cut := self._writer.repaired:
            self.append(EventKind.LOG_REPAIRED, file=cut.file.name, bytes=cut.removed)
        if recovered:
            self.append(EventKind.LOG_RECOVERED, count=recovered)

    def _recover(self) -> int:
        """Take over what the previous writer left in the spool; returns how many of these events are not in
        the log."""
        kept = known = found = 0
        for line in self._spool.peek(self._spool.pending).splitlines(keepends=True):
            try:
                sequence = decode(line).sequence
            except DamagedLineError:
                break
            kept += len(line)
            if sequence <= self._writer.last:
                known += len(line)
                continue
            self._next, found = sequence + 1, found + 1
        self._spool.cut(kept)
        self._spool.take(known)
        return found

    @property
    def degraded(self) -> str:
        """Why unwritten events would be lost with this process; empty: they would not."""
        return self._spool.degraded

    def append(
        self, kind: EventKind, *, t_ns: int = 0, severity: Severity | None = None, **data: Any
    ) -> Event:
        """Take in an event: `t_ns` (CLOCK_MONOTONIC, default now) and its fields. Never waits for a disk."""
        usual, text = render(kind, data)
        t_ns = t_ns or time.monotonic_ns()
        wall_ns = wall_of(t_ns)
        with self._changed:
            event = Event(self._next, t_ns, wall_ns, boot_id(), kind, severity or usual, text, data)
            self._next += 1
            if not self._spool.put(event.encode()):
                self._first_lost = self._first_lost or event.sequence
                self._lost += 1
            self._changed.notify()
        if self.on_event:
            self.on_event(event)
        return event

    @property
    def last(self) -> int:
        """Number of the newest event; 0: there is none."""
        return self._next - 1

    @property
    def written(self) -> int:
        """The number of events given to the disk since this log was opened."""
        return self._written

    @property
    def lost(self) -> int:
        """The number of events lost because the spool was full, and not yet reported in the log."""
        return self._lost

    @property
    def failure(self) -> str:
        """Why writing fails at present; empty: it works."""
        return self._failure

    def flush(self, timeout_s: float = 2.0) -> bool:
        """Wait until all that was appended is on the disk; False when the time was up first."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while self._spool.pending:
                rest = until - time.monotonic()
                if rest <= 0:
                    return False
                self._changed.notify()
                self._changed.wait(min(rest, 0.05))
        return True

    def refused(self) -> dict[str, tuple[int, str]]:
        """`events`: how often in a row the disk has refused them, and why; empty: the disk works."""
        return {"events": (self._failures, self._failure)} if self._failures else {}

    def close(self, timeout_s: float = 2.0) -> bool:
        """Write what is left (bounded) and end the thread; False if something could not be written."""
        done = self.flush(timeout_s)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._spool.close()
            self._writer.close()
        return done

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._spool.pending and not self._closing:
                    self._changed.wait()
                if self._closing:
                    return
            self._write(self._spool.peek(BATCH_BYTES))

    def _write(self, lines: bytes) -> None:
        try:
            first, last = sequence_of(lines), sequence_of(lines[lines.rfind(b"\n", 0, -1) + 1 :])
            self._writer.write(lines, first, last)
        except OSError as error:
            self._failure, self._failures = error.strerror or str(error), self._failures + 1
            with self._changed:
                self._changed.wait_for(lambda: self._closing, RETRY_S)
            return
        except ValueError as error:
            self._skip_damage(lines, f"the spool is damaged: {error}")
            return
        with self._changed:
            self._spool.take(len(lines))
            self._written += lines.count(b"\n")
            self._failures = 0
            self._changed.notify_all()
        self._report_loss()

    def _skip_damage(self, lines: bytes, why: str) -> None:
        """The spool was overwritten by something else: complete lines are written, a damaged line is lost."""
        whole, damaged = _until_damage(lines)
        if whole and damaged:
            self._write(whole)
            return
        with self._changed:
            self._spool.take(damaged or len(lines) or self._spool.pending)
            self._first_lost = self._first_lost or self._writer.last + 1
            self._lost += 1
        self._failure = why
        self._report_loss()

    def _report_loss(self) -> None:
        why, self._failure = self._failure, ""
        with self._changed:
            lost, first, self._lost, self._first_lost = self._lost, self._first_lost, 0, 0
        if lost:
            self.append(EventKind.LOG_LOST, count=lost, first=first, why=why or "the spool was full")


def _until_damage(lines: bytes) -> tuple[bytes, int]:
    """The complete lines before the first damaged one, and the length of that one; 0: there is none."""
    end = 0
    for line in lines.splitlines(keepends=True):
        try:
            decode(line)
        except DamagedLineError:
            return lines[:end], len(line)
        end += len(line)
    return lines, 0
