"""Writes complete lines into segments: rotation, bounded total, and a clean end after a failed write.

The thread of `log.py` uses it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fieldstack.events.segments import Repair, first_number, folder_of, prune, repair, segment_name, segments
from fieldstack_base.atomic_file import sync_folder


class EventLogBusyError(RuntimeError):
    """Another process writes this event log, for example a Non-RT process that is still running."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder}: another process writes this event log; a cell has one Non-RT process. "
            "Stop the other one, or give this cell its own --instance"
        )
        self.folder = folder


class SegmentWriter:
    """The one writer of a log's folder. Not thread-safe; `write` raises OSError and leaves no torn line."""

    def __init__(self, state_dir: Path, segment_bytes: int, total_bytes: int, *, sync: bool = True) -> None:
        self._folder = folder_of(state_dir)
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._lock = self._take_lock()
        self.identity = self._identify()
        self._segment_bytes = segment_bytes
        self._total_bytes = total_bytes
        self._sync = sync
        self._file = -1
        self._size = 0
        self.last = 0
        self.repaired: Repair | None = None
        self._open_last()

    def _take_lock(self) -> int:
        number = os.open(self._folder / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(number)
            raise EventLogBusyError(self._folder) from error
        return number

    def _identify(self) -> int:
        """The identity of this folder's log, for as long as it exists; it is in the lock file."""
        known = os.pread(self._lock, 16, 0)
        if len(known) != 16:
            known = os.urandom(8).hex().encode()
            os.pwrite(self._lock, known, 0)
        try:
            return int(known, 16)
        except ValueError:
            return 0

    def _open_last(self) -> None:
        found = segments(self._folder)
        if not found:
            return
        number, self.repaired = repair(found[-1])
        self.last = max(number, first_number(found[-1]) - 1)
        self._file = os.open(found[-1], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size = os.fstat(self._file).st_size
        if self._sync:  # a writer that was killed may have left lines that are not on the disk yet
            os.fsync(self._file)
            sync_folder(self._folder)
            sync_folder(self._folder.parent)

    def write(self, lines: bytes, first: int, last: int) -> None:
        """Append complete lines, numbered `first` to `last`; with `sync`, wait until they are on the disk.

        Raises:
            OSError: none of them is in the log; it ends where it ended before.
        """
        if self._file < 0 or self._size >= self._segment_bytes:
            self._rotate(first)
        before = self._size
        try:
            self._write_all(lines)
            if self._sync:
                os.fdatasync(self._file)
        except OSError:
            self._cut_back(before)
            raise
        self.last = last

    def _write_all(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            count = os.write(self._file, view)
            self._size += count
            view = view[count:]

    def _cut_back(self, size: int) -> None:
        os.ftruncate(self._file, size)
        self._size = size

    def _rotate(self, first: int) -> None:
        path = self._folder / segment_name(first)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        fresh = os.open(path, flags, 0o640)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size = fresh, os.fstat(fresh).st_size
        if self._sync:
            sync_folder(self._folder)
        prune(self._folder, self._total_bytes)

    def close(self) -> None:
        for number in (self._file, self._lock):
            if number >= 0:
                os.close(number)
        self._file = self._lock = -1
