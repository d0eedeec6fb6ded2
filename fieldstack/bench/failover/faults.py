"""The faults that a running cell is given. All are real: nothing is told that something failed."""

from __future__ import annotations

import os
import signal
import time
from enum import StrEnum

from fieldstack.bench.failover.stray_words import StrayWrite
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import Inject

CRASH_BOUND_NS = 5_000_000
"""Outputs must be safe this long after a crash ..."""
STRAY_S = 0.1
"""So long a healthy RT process must outlive a stray word: many looks of its watch and its guard."""


class FaultKind(StrEnum):
    """Five faults of the RT process, which its guard answers; and those of everything else."""

    SIGKILL = "sigkill"
    SIGSEGV = "sigsegv"
    SIGSTOP = "sigstop"
    SPIN = "spin"
    STRAY_WORD = "stray-word"
    NONRT_KILL = "nonrt-kill"
    BOTH_KILL = "both-kill"
    SLAVE_LOSS = "slave-loss"
    SLOW_SLAVE = "slow-slave"
    BUS_POWER = "bus-power"
    RT_MAIN_STOPPED = "rt-main-stopped"
    CORE_KILL = "core-kill"
    CORE_DEADLOCK = "core-deadlock"
    MEMORY_LEAK = "memory-leak"
    DISK_FULL = "disk-full"
    PROBE_EXCEPTION = "probe-exception"
    IGNORED_STOP = "ignored-stop"

    @property
    def of_rt(self) -> bool:
        """Of the RT process alone: measured from the fault to the guard's safe frame and back to OP."""
        crashes = (FaultKind.SIGKILL, FaultKind.SIGSEGV)
        return self in (*crashes, FaultKind.SIGSTOP, FaultKind.SPIN, FaultKind.STRAY_WORD)

    @property
    def is_crash(self) -> bool:
        return self in (FaultKind.SIGKILL, FaultKind.SIGSEGV)

    @property
    def kills_nonrt(self) -> bool:
        return self in (FaultKind.NONRT_KILL, FaultKind.BOTH_KILL)

    @property
    def takes_slaves(self) -> bool:
        """After these a person starts the axes."""
        return self in (FaultKind.SLAVE_LOSS, FaultKind.SLOW_SLAVE, FaultKind.BUS_POWER)

    @property
    def kills_rt(self) -> bool:
        """Of the faults of something else, those that RT does not outlive."""
        return self in (FaultKind.BOTH_KILL, FaultKind.RT_MAIN_STOPPED)

    @property
    def kills_core(self) -> bool:
        return self in (FaultKind.CORE_KILL, FaultKind.CORE_DEADLOCK, FaultKind.MEMORY_LEAK)

    def bound_ns(self, threshold_cycles: int, cycle_ns: int) -> int:
        """... and this long after a hang, which takes the guard `threshold_cycles` cycles to believe."""
        return CRASH_BOUND_NS + (0 if self.is_crash else threshold_cycles * cycle_ns)


_SIGNALS = {
    FaultKind.SIGKILL: signal.SIGKILL,
    FaultKind.SIGSEGV: signal.SIGSEGV,
    FaultKind.SIGSTOP: signal.SIGSTOP,
}


def inject(kind: FaultKind, store: DataStore) -> int:
    """Does it to the RT process that holds the bus; returns CLOCK_MONOTONIC in ns from just before.

    `SPIN` makes the cycle thread itself loop for ever, from its next cycle on, with its priority.
    """
    pid = store.rt_pid
    t_ns = time.monotonic_ns()
    if kind is FaultKind.SPIN:
        store.inject(Inject.SPIN)
    else:
        os.kill(pid, _SIGNALS[kind])
    return t_ns


def inject_stray_write(word: StrayWrite, store: DataStore, trips: int) -> tuple[int, bool]:
    """A stray word that RT must outlive; then RT is stopped by SIGSTOP, and nobody writes the word anew.

    `trips` of the guard so far. Returns CLOCK_MONOTONIC in ns from just before the stop, and whether RT had
    stayed; if not, the time is from just before the word, and RT was not stopped.
    """
    pid, t_ns = store.rt_pid, time.monotonic_ns()
    word.write(store)
    time.sleep(STRAY_S)
    if int(store.guard_status().trips) != trips or store.rt_pid != pid:
        return t_ns, False
    t_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGSTOP)
    if not word.of_guard:  # what the guard tells is what the run is measured by
        word.write(store)
    return t_ns, True


def kill(*pids: int) -> int:
    """SIGKILL to all of them, one right after the other; CLOCK_MONOTONIC in ns from just before."""
    t_ns = time.monotonic_ns()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return t_ns
