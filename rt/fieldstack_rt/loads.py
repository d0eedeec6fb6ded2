"""Loads that benchmarks put on the Python part of the RT process, to show that they do not reach the cycle.

`fieldstack bench cycle` orders them, and RTExecutive runs them. `gil` holds the interpreter's lock as much as
a thread can; `acyclic` reads SDOs and AL states without pause. Both are on in the odd slices of the clock and
off in the even ones. So one run measures the cycle with and without the load, and an observer in another
process knows which is which.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pysoem

from fieldstack_ethercat.bus.master.bus import Bus

KINDS = ("gil", "acyclic")
IDENTITY = 0x1018
_PAUSE_S = 0.005
_SPINS = 2000


def loaded(t_ns: int, slice_ns: int) -> bool:
    """Whether there is load at that moment of CLOCK_MONOTONIC; `slice_ns` 0: always."""
    return slice_ns == 0 or bool(t_ns // slice_ns % 2)


class Load:
    """One thread of load on a bus in OP. `done` counts its pieces of work."""

    def __init__(self, kind: str, bus: Bus, slice_ns: int) -> None:
        """`kind` is one of KINDS."""
        self._slice_ns, self._bus = slice_ns, bus
        self._work: Callable[[], None] = {"gil": self._hold_gil, "acyclic": self._read_slaves}[kind]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"load-{kind}", daemon=True)
        self.done = 0

    def start(self) -> Load:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Returns when the thread has ended: no call into pysoem is under way any more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            if loaded(time.monotonic_ns(), self._slice_ns):
                self._work()
                self.done += 1
            else:
                self._stop.wait(_PAUSE_S)

    def _hold_gil(self) -> None:
        total = 0
        for number in range(_SPINS):
            total += number * number

    def _read_slaves(self) -> None:
        self._bus.read_states()
        for slave in self._bus.master.slaves:
            if self._stop.is_set():
                return
            try:
                slave.sdo_read(IDENTITY, 1)
            except (pysoem.SdoError, pysoem.MailboxError, pysoem.PacketError, pysoem.WkcError):
                continue  # a slave without a mailbox, or a frame that was lost: the load goes on
