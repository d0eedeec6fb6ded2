"""Exchanges process data in a Python thread, for the tests of the bus; RT has a native cycle."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from fieldstack_ethercat.bus.master.bus import Bus


class ExchangeLoop:
    """Exchanges process data in a thread of its own while the `with` block runs.

    `wkc` is the working counter of the last exchange, `cycles` the number of complete ones.
    """

    def __init__(self, bus: Bus, period_s: float = 0.002) -> None:
        self._bus, self._period_s = bus, period_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus-exchange", daemon=True)
        self.wkc = 0
        self.cycles = 0

    def __enter__(self) -> ExchangeLoop:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for_wkc(self, expected: int, timeout_s: float) -> bool:
        """True once an exchange had that working counter, False if none did in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.wkc == expected:
                return True
            time.sleep(self._period_s)
        return False

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            self.wkc = self._bus.exchange()
            self.cycles += self.wkc > 0
