"""The faults that `bench failover` causes in a running cell. All are real: no process is informed of them."""

from __future__ import annotations

import os
import signal
import time
from enum import StrEnum

from fieldstack.bench.failover.stray_words import StrayWrite
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import Inject

CRASH_BOUND_NS = 5_000_000
"""Outputs must be safe this long after a crash."""
STRAY_S = 0.1
"""A healthy RT process must survive a stray word for this long. Its watch and its guard look many times in
it."""


class FaultKind(StrEnum):
    """Five faults of the RT process, which its guard handles, and faults of everything else."""

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
        """Whether only the RT process fails: measured from the fault to the safe frame and back to OP."""
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
        """Whether a person has to start the axes afterwards."""
        return self in (FaultKind.SLAVE_LOSS, FaultKind.SLOW_SLAVE, FaultKind.BUS_POWER)

    @property
    def kills_rt(self) -> bool:
        """Whether RT ends by a fault that is not its own."""
        return self in (FaultKind.BOTH_KILL, FaultKind.RT_MAIN_STOPPED)

    @property
    def kills_core(self) -> bool:
        return self in (FaultKind.CORE_KILL, FaultKind.CORE_DEADLOCK, FaultKind.MEMORY_LEAK)

    def bound_ns(self, threshold_cycles: int, cycle_ns: int) -> int:
        """Outputs must be safe this long after a hang, which the guard detects after `threshold_cycles`
        cycles."""
        return CRASH_BOUND_NS + (0 if self.is_crash else threshold_cycles * cycle_ns)


_SIGNALS = {
    FaultKind.SIGKILL: signal.SIGKILL,
    FaultKind.SIGSEGV: signal.SIGSEGV,
    FaultKind.SIGSTOP: signal.SIGSTOP,
}


def inject(kind: FaultKind, store: DataStore) -> int:
    """Causes the fault in the RT process that holds the bus; returns CLOCK_MONOTONIC in ns from just before.

    `SPIN` puts the cycle thread itself into an endless loop, from its next cycle on, at its priority.
    """
    pid = store.rt_pid
    t_ns = time.monotonic_ns()
    if kind is FaultKind.SPIN:
        store.inject(Inject.SPIN)
    else:
        os.kill(pid, _SIGNALS[kind])
    return t_ns


def inject_stray_write(word: StrayWrite, store: DataStore, trips: int) -> tuple[int, bool]:
    """Writes a stray word that RT must survive. Then SIGSTOP stops RT, and the word is written again.

    `trips`: of the guard so far. Returns CLOCK_MONOTONIC in ns from just before the stop, and whether RT
    survived the word. If it did not, the time is from just before the word, and RT was not stopped.
    """
    pid, t_ns = store.rt_pid, time.monotonic_ns()
    word.write(store)
    time.sleep(STRAY_S)
    if int(store.guard_status().trips) != trips or store.rt_pid != pid:
        return t_ns, False
    t_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGSTOP)
    if not word.of_guard:  # the run is measured by what the guard reports
        word.write(store)
    return t_ns, True


def kill(*pids: int) -> int:
    """Sends SIGKILL to all of them, one right after the other; CLOCK_MONOTONIC in ns from just before."""
    t_ns = time.monotonic_ns()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return t_ns
