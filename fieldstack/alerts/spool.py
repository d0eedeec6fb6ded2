"""One channel's queue: in memory, and each alert in a file of its own, so that it survives the process.

Each channel's pipeline has one. The order is that of the numbers in the file names. Taking in and giving out
touch memory alone. `sync` brings the disk up to date, in a thread that may wait for it. A full or broken disk
costs only durability: an alert stays in memory and is written as soon as the disk takes it.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fieldstack.alerts.model.alert import Alert
from fieldstack.alerts.powered_clock import boot_time_ns
from fieldstack_base import bounded_json
from fieldstack_base.atomic_file import Sync, replace_file

LIMIT = 1000
SINCE = "since_ns"
"""Key beside the alert's own: `Entry.since_ns`."""


@dataclass(slots=True)
class Entry:
    """`since_ns`: when it was taken in, by the spool's clock. `finished`: delivered or given up."""

    number: int
    alert: Alert
    since_ns: int
    on_disk: bool = False
    finished: bool = False


class Spool:
    """Bounded: at `limit` the oldest alert is dropped and counted. Any thread may use it."""

    def __init__(self, folder: Path, limit: int = LIMIT, clock: Callable[[], int] = boot_time_ns) -> None:
        """`clock` (ns) must go on after a restart; a time that it has not reached yet counts as now."""
        self._folder = folder
        self._limit = limit
        self._clock = clock
        self._queue: deque[Entry] = deque()
        self._finished: list[int] = []
        self.changed = threading.Condition()
        self._syncing = threading.Lock()
        self.on_finished: Callable[[], None] = lambda: None
        """Called after `done`: the disk is behind."""
        self.dropped = 0
        self.damaged = 0
        self.failure = ""
        """Why the disk did not take the last alert; empty: it did."""
        self._load()
        self._next = self._queue[-1].number + 1 if self._queue else 1

    def _load(self) -> None:
        for left in self._folder.glob("*.tmp"):  # of a process that was cut off
            with contextlib.suppress(OSError):
                left.unlink()
        for file in sorted(self._folder.glob("*.json")):
            try:
                data = bounded_json.loads(file.read_text(encoding="utf-8"))
                now_ns = self._clock()  # what an earlier version has kept has no time
                since_ns = min(int(data.get(SINCE, now_ns)), now_ns)
                self._queue.append(Entry(int(file.stem), Alert.from_dict(data), since_ns, on_disk=True))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                self.damaged += 1
                with contextlib.suppress(OSError):
                    file.unlink()

    # ---- in memory ----

    def push(self, alert: Alert) -> Entry:
        with self.changed:
            entry = Entry(self._next, alert, self._clock())
            self._queue.append(entry)
            self._next += 1
            if len(self._queue) > self._limit:
                self.dropped += 1
                self._end(self._queue.popleft())
            self.changed.notify_all()
        return entry

    def age_ns(self, entry: Entry) -> int:
        """For how long it has waited, by the spool's clock."""
        return self._clock() - entry.since_ns

    def head(self) -> Entry | None:
        """The oldest alert; it stays until `done`."""
        with self.changed:
            return self._queue[0] if self._queue else None

    def done(self, entry: Entry) -> bool:
        """It was delivered, or given up. Doing it twice does nothing, and is False."""
        with self.changed:
            first = not entry.finished and bool(self._queue) and self._queue[0] is entry
            if first:
                self._end(self._queue.popleft())
        self.on_finished()
        return first

    def _end(self, entry: Entry) -> None:
        entry.finished = True
        if entry.on_disk:
            self._finished.append(entry.number)

    def __len__(self) -> int:
        with self.changed:
            return len(self._queue)

    # ---- on disk ----

    def sync(self) -> None:
        """Bring the disk up to date; `failure` says what it refused. A second call beside it does nothing."""
        if not self._syncing.acquire(blocking=False):
            return
        try:
            self._sync()
        finally:
            self._syncing.release()

    def _sync(self) -> None:
        with self.changed:
            finished, self._finished = self._finished, []
            missing = [entry for entry in self._queue if not entry.on_disk]
        failure = ""
        for number in finished:
            with contextlib.suppress(OSError):
                self._file(number).unlink(missing_ok=True)
        for entry in missing:
            if entry.finished:
                continue
            try:
                self._write(entry)
            except OSError as error:
                self.failure = error.strerror or str(error)
                return
            except Exception as error:  # an alert that cannot be written down: those behind it can
                failure = f"{entry.alert.rule}: {type(error).__name__}: {error}"
                continue
            self._written(entry)
        self.failure = failure

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:012d}.json"

    def _write(self, entry: Entry) -> None:
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        content = json.dumps(entry.alert.to_dict() | {SINCE: entry.since_ns})
        replace_file(self._file(entry.number), content, sync=Sync.ALL)

    def _written(self, entry: Entry) -> None:
        with self.changed:
            entry.on_disk = True
            if entry.finished:  # delivered while it was written
                self._finished.append(entry.number)


def waiting_on_disk(folder: Path) -> int:
    """How many alerts wait in a channel's folder, for who only looks."""
    with contextlib.suppress(OSError):
        return sum(1 for _ in folder.glob("*.json"))
    return 0
