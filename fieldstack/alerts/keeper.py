"""The thread that may wait for the disk: it keeps the queues, and what is firing, across restarts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from fieldstack.alerts.spool import Spool
from fieldstack.ha.durable import DurableRecord

RETRY_S = 5.0


class Keeper:
    """`wake` after each change; it looks by itself every few seconds, for a disk that works again."""

    def __init__(
        self, spools: Sequence[Spool], record: DurableRecord, firing: Callable[[], dict[str, Any]]
    ) -> None:
        self._spools, self._record, self._firing = spools, record, firing
        self._saved: object = None
        self._wake = threading.Event()
        self._ending = False
        self.failure = ""
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
        while not self._ending:
            self._wake.wait(RETRY_S)
            self._wake.clear()
            for spool in self._spools:
                spool.sync()
            self._save()

    def _save(self) -> None:
        data = self._firing()
        keys = sorted(data)
        if keys == self._saved:
            return
        try:
            self._record.save({"incidents": data})
        except OSError as error:
            self.failure = error.strerror or str(error)
            return
        self._saved, self.failure = keys, ""
