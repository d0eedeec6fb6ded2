"""Locks the memory that must be quick after hours without work: for the guard, in the Non-RT process.

Memory is locked when it is touched (MCL_ONFAULT), so the stacks and address space of a large process cost
nothing. What the guard, the witness and a trip touch is faulted in before it is needed: the shared memory,
the native code, and the C library, whose functions are bound at their first call.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
from pathlib import Path

from fieldstack_base.proc.memory_map import MemoryMap
from fieldstack_rt.realtime import Degraded

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_HOT = ("_native.", "libc.", "libc-", "ld-linux", "ld-musl", "libpthread")
"""Beginnings of file names: the native module, the C library, and the loader that binds its functions."""
_REMEDY = "grant CAP_IPC_LOCK, or set LimitMEMLOCK=infinity"
_PROBE_BYTES = 1 << 20


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mlock.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return libc


def lock_for_the_guard(shared: Path) -> Degraded | None:
    """Locks this process's memory, and faults in what the guard touches. `shared`: the shared memory's file.

    None: all of it is granted. Where only the guard's part could be locked, or nothing, the text says so.
    """
    refused = _lock_all()
    hot = [one for one in MemoryMap.read().mappings if one.readable and is_hot(one.file, shared)]
    libc = _libc()
    locked = [libc.mlock(one.start, one.end - one.start) == 0 for one in hot]
    if not refused and all(locked):
        return None
    guards = "only the guard's code and the shared memory are"
    part = guards if all(locked) else "nor is all that the guard touches"
    return Degraded(f"Non-RT's memory is not locked ({refused or 'mlock'}); {part}", _REMEDY)


def is_hot(path: str, shared: Path) -> bool:
    """Whether the guard touches what is mapped from this file; `shared`: of the shared memory."""
    return path == str(shared) or os.path.basename(path).startswith(_HOT)


def _lock_all() -> str:
    """Why it was refused; empty: it is granted.

    A finite limit would be counted against all address space from now on: threads and files could then not be
    mapped any more. It is granted only if it does not bind us.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    libc = _libc()
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        return errno.errorcode.get(ctypes.get_errno(), "?")
    if hard == resource.RLIM_INFINITY or _unbound(hard):
        return ""
    libc.munlockall()
    return f"limit {hard // 1024} KiB"


def _unbound(limit: int) -> bool:
    try:
        mmap.mmap(-1, limit + _PROBE_BYTES).close()  # nothing of it is touched
    except OSError:
        return False
    return True
