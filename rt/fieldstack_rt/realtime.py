"""Makes a process a real-time one: locked memory, no garbage collector, no core dump. RT calls it."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import resource
from dataclasses import dataclass

_MCL_CURRENT, _MCL_FUTURE = 1, 2
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15


@dataclass(frozen=True, slots=True)
class Degraded:
    """One thing that the system refused, and the command or setting that grants it."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} ({self.remedy})"


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def lock_memory() -> Degraded | None:
    """mlockall(2) for all present and future pages; None if it was granted.

    Locking also faults every page in, so the cycle never waits for one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    if _libc().mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0:
        return None
    reason = errno.errorcode.get(ctypes.get_errno(), "?")
    return Degraded(f"memory is not locked: {reason}", "grant CAP_IPC_LOCK, or set LimitMEMLOCK=infinity")


def leave_cpu(cpu: int) -> None:
    """Keeps this thread, and those it starts from now on, off the cycle's CPU, if there is another one.

    The cycle thread preempts whatever it finds there, but not what runs in the kernel just then.
    """
    others = os.sched_getaffinity(0) - {cpu}
    if others:
        os.sched_setaffinity(0, others)


def freeze_collector() -> None:
    """Collects once, moves what is left out of the collector's sight, and turns it off."""
    gc.collect()
    gc.freeze()
    gc.disable()


def forbid_core_dumps() -> None:
    """Writing a core keeps a crashed process, and so its hold on the bus, alive for a long time.

    The limit alone is not enough: the kernel first gathers all threads for the dump that it then does not
    write, and a dump into a pipe ignores the limit. A process that is not dumpable just ends.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def name_process(name: str) -> None:
    """The name in ps and top (at most 15 bytes)."""
    _libc().prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def scheduler_degraded(cpu: int, priority: int, *, scheduler: bool, affinity: bool) -> list[Degraded]:
    """The parts of a native thread's set-up that were refused, in words."""
    found = []
    if scheduler:
        found.append(
            Degraded(f"no SCHED_FIFO priority {priority}", "grant CAP_SYS_NICE, or set LimitRTPRIO=99")
        )
    if affinity:
        cpus = sorted(os.sched_getaffinity(0))
        found.append(Degraded(f"not pinned to CPU {cpu}", f"choose one of the CPUs {cpus}"))
    return found
