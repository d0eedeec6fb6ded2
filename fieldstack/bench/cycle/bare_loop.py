"""Runs a bare loop (native/bare_loop.c) in a thread: a witness of the machine, or the reference on a bus.

The witnesses and `bare_exchange` use it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from fieldstack.bench.harness.wakes import Wake
from fieldstack_ethercat.bus.soem.soem_context import SoemContext
from fieldstack_rt._native import ffi, lib


@dataclass(frozen=True, slots=True)
class LoopSetup:
    """`cpu` -1: any. `priority`: of SCHED_FIFO; 0: none. It wakes at `phase_ns` after each full period."""

    cpu: int
    priority: int
    period_ns: int
    phase_ns: int = 0


@dataclass(frozen=True, slots=True)
class BareSample:
    """One pass of the loop; `wkc` -1: no frame came back, or there is no bus. Times in ns."""

    wake: Wake
    exchange_ns: int
    wkc: int


class BareLoop:
    """Runs from `start` to `stop`; keeps the samples of the first `seconds`."""

    def __init__(
        self,
        setup: LoopSetup,
        seconds: float,
        context: SoemContext | None = None,
        receive_timeout_us: int = 0,
    ) -> None:
        self._loop: Any = ffi.new("fs_bare_loop *")
        capacity = int(seconds * 1e9 / setup.period_ns) + 1
        self._samples: Any = ffi.new("fs_bare_sample[]", capacity)
        self._loop.samples, self._loop.capacity = self._samples, capacity
        self._loop.cpu, self._loop.priority = setup.cpu, setup.priority
        self._loop.period_ns, self._loop.phase_ns = setup.period_ns, setup.phase_ns
        self._context = context  # keeps the master's memory alive
        if context is not None:
            self._loop.context = context.address
            self._loop.send, self._loop.receive = context.send_address, context.receive_address
            self._loop.receive_timeout_us = receive_timeout_us
        self._thread = threading.Thread(target=lib.fs_bare_loop_run, args=(self._loop,), daemon=True)

    def start(self) -> BareLoop:
        self._thread.start()
        return self

    @property
    def count(self) -> int:
        """Samples taken so far."""
        return int(lib.fs_bare_loop_count(self._loop))

    def stop(self) -> None:
        """Ends the loop; harmless if it never ran."""
        lib.fs_bare_loop_stop(self._loop)
        if self._thread.ident is not None:
            self._thread.join()

    def samples(self, begin: int = 0) -> list[BareSample]:
        """The samples from number `begin` on."""
        taken = ffi.unpack(self._samples, self.count)[begin:]
        return [BareSample(Wake(s.due_ns, s.wake_ns), s.exchange_ns, s.wkc) for s in taken]

    def wakes(self) -> list[Wake]:
        return [sample.wake for sample in self.samples()]
