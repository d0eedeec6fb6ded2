"""The thread of the alert service that may wait for the disk: it saves the queues, and what is firing.

`AlertService` starts it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from fieldstack.alerts.spool import Spool
from fieldstack_base.durable import DurableRecord

RETRY_S = 5.0
GAP_S = 1.0
"""A storm of reports that lead to nothing new is written down at this pace."""
CLOCK_STEP_NS = 600_000_000_000
"""How much of the clock's time a machine that loses power may forget."""


class DiskWriter:
    """`wake` after each change; it looks by itself every few seconds, for a disk that works again.

    `content` gives what the record holds: `incidents` by key, `taken`, `clock`.
    """

    def __init__(
        self, spools: Sequence[Spool], record: DurableRecord, content: Callable[[], dict[str, Any]]
    ) -> None:
        self._spools, self._record, self._content = spools, record, content
        self._saved: object = None
        self._taken = 0
        self._saved_s = 0.0
        self._behind = False
        self._wake = threading.Event()
        self._ending = False
        self.failure = ""
        self.failures = 0
        """In a row."""
        self._thread = threading.Thread(target=self._run, name="alerts-disk", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def close(self, timeout_s: float) -> None:
        """Bring the disk up to date, within the time, and end."""
        self._ending = True
        self._wake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        ending = False
        while not ending:
            self._wake.wait(GAP_S if self._behind else RETRY_S)
            self._wake.clear()
            ending = self._ending  # asked before the last look: what came until then is in it
            for spool in self._spools:
                spool.sync()
            try:
                self._save(time.monotonic(), ending=ending)
            except Exception as error:  # a fault of ours: the queues are kept on
                self._behind, self.failure = True, f"{type(error).__name__}: {error}"

    def _save(self, now_s: float, *, ending: bool) -> None:
        data = self._content()
        marks = (sorted(data["incidents"]), data["clock"]["on_ns"] // CLOCK_STEP_NS)
        self._behind = data["taken"] != self._taken and now_s - self._saved_s < GAP_S and not ending
        if marks == self._saved and (self._behind or data["taken"] == self._taken):
            return
        try:
            self._record.save(data)
        except OSError as error:
            self.failure, self.failures = error.strerror or str(error), self.failures + 1
            return
        self.failures = 0
        self._saved, self._taken, self._saved_s = marks, data["taken"], now_s
        self._behind, self.failure = False, ""
