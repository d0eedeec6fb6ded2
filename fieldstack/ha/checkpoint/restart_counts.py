"""Keeps the counts of restarts in a file of their own, on the disk before a restart is made.

The checkpoint, which has the budgets as well, may find no room on the disk. `counted` in it and in the file
says which of the two is newer. `decision.remedies` waits for it. Used by the StateCheckpoint.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldstack.ha.checkpoint.durable_reading import COUNTS, COUNTS_FORMAT, COUNTS_LOST, FORMAT
from fieldstack_base.clock import boot_id
from fieldstack_base.counts_file import CountsFile
from fieldstack_base.durable import BackgroundSaver

FILE = "restart-counts"
_TIMES = ("boot", "t_ns", "wall_ns")


class RestartCounts:
    """The counts of `decide`, in a file of their own. `on_error` and `on_back`: as in `BackgroundSaver`."""

    def __init__(self, folder: Path, on_error: Callable[[str], None], on_back: Callable[[], None]) -> None:
        self._file = CountsFile(folder, FILE)
        self._found = self._file.load()
        self._taken: Any = None
        self._number = _number(self._found.data)
        self._saved = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._saver = BackgroundSaver(self._file, on_error, on_back, on_saved=self._wake)

    def join(self, ha: dict[str, Any] | None) -> dict[str, Any] | None:
        """What `durable_state.restore` reads: the checkpoint's record, and the content of this file."""
        self._number = max(self._number, _number(ha))
        data, remarks = self._found.data, self._found.remarks
        if data is None:
            return ha if not remarks or ha is None else ha | {COUNTS_LOST: "; ".join(remarks)}
        if ha is None:
            nothing = {"format": FORMAT, "rules": [], "budgets": {}, "counted": -1}
            ha = {name: data.get(name) for name in _TIMES} | nothing
        return ha | {COUNTS: data}

    def take(self, ha: dict[str, Any]) -> dict[str, Any]:
        """Write the record's budgets to the file if they changed. Returns the record with their number."""
        budgets = ha.get("budgets")
        if budgets is None:
            return ha
        if budgets != self._taken:
            self._taken, self._number = budgets, self._number + 1
            times = {name: ha[name] for name in _TIMES}
            counts = {"format": COUNTS_FORMAT, "counted": self._number, **times, "budgets": budgets}
            self._saver.submit(counts)
        return ha | {"counted": self._number}

    @property
    def filed_ns(self) -> int:
        """The moment of the counts that are on the disk; 0: none of this life are."""
        kept = self._saver.saved or {}
        return int(kept.get("t_ns", 0)) if kept.get("boot") == boot_id() else 0

    @property
    def failure(self) -> str:
        return self._saver.failure

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was wrong with the file."""
        return self._found.remarks

    def fileno(self) -> int:
        """An eventfd, written when counts have reached the disk, so that nobody has to poll."""
        return self._saved

    def _wake(self) -> None:
        os.eventfd_write(self._saved, 1)

    def close(self) -> None:
        if self._saver.close():
            self._file.close()
            os.close(self._saved)


def _number(record: dict[str, Any] | None) -> int:
    found = (record or {}).get("counted", 0)
    return found if isinstance(found, int) else 0
