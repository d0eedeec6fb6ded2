"""A thread that reads one source again and again, and keeps the last sample for others to take.

The observer has one for each source.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from fieldstack.health.model.observation import Sample
from fieldstack_base.units import NS_PER_S

T = TypeVar("T")
STALE_READS = 4
"""A sample is stale when so many looks, and a second, have been missed."""


class Sampler(Generic[T]):
    """`look` may take its time or raise: others only ever see the sample of the last look that ended."""

    def __init__(self, source: str, read: Callable[[], T], every_s: float) -> None:
        self._read = read
        self._every_s = every_s
        stale_ns = round((STALE_READS * every_s + 1.0) * NS_PER_S)
        self._sample: Sample[T] = Sample(source, stale_ns)
        self._ending = threading.Event()
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"look-{source}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def await_first(self, timeout_s: float) -> bool:
        """Whether there has been a look within the time."""
        return self._first.wait(timeout_s)

    @property
    def sample(self) -> Sample[T]:
        return self._sample

    def stop(self, timeout_s: float) -> None:
        self._ending.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._sample = self._take()
            self._first.set()
            self._ending.wait(self._every_s)

    def _take(self) -> Sample[T]:
        try:
            value, error = self._read(), ""
        except Exception as failure:  # whatever a source meets is reported, and it is read again
            value, error = None, f"{type(failure).__name__}: {failure}"
        return replace(self._sample, value=value, error=error, taken_ns=time.monotonic_ns())
