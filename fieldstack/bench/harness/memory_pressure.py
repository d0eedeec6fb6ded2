"""Puts memory pressure on one process from outside: the kernel is asked to reclaim all of its memory.

`bench failover --memory-pressure` does it to Non-RT before each fault. It uses process_madvise(2) with
MADV_PAGEOUT, mapping by mapping. The kernel keeps locked memory. It also keeps code that other processes use,
and anonymous memory if there is no swap.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fieldstack.bench.harness.errors import BenchError
from fieldstack.host.memory_lock import memory_lock
from fieldstack_base.proc.memory_map import Mapping, MemoryMap, parse_mapping
from fieldstack_rt.memory_lock import is_hot

_SYS_PROCESS_MADVISE, _MADV_PAGEOUT = 440, 21


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


@dataclass(frozen=True, slots=True)
class ReclaimResult:
    """Resident KiB of the process before and after. `missing_kb`: memory that the guard uses and that is not
    resident."""

    before_kb: int
    after_kb: int
    missing_kb: int


def reclaim_memory(pid: int, shared: Path) -> ReclaimResult:
    """Asks the kernel to reclaim all memory of a process; returns what is left. `shared`: its shared memory's
    file.

    Raises:
        BenchError: this is not permitted (it needs CAP_SYS_NICE and ptrace access).
    """
    before = memory_lock(pid).resident_kb
    pidfd = os.pidfd_open(pid)
    try:
        _page_out(pidfd, MemoryMap.read(pid).mappings)
    finally:
        os.close(pidfd)
    return ReclaimResult(before, memory_lock(pid).resident_kb, _missing_kb(pid, shared))


def _page_out(pidfd: int, mappings: Iterable[Mapping]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for one in mappings:
        if one.readable and not one.file.startswith("[v"):
            vector = _Iovec(one.start, one.end - one.start)
            if libc.syscall(_SYS_PROCESS_MADVISE, pidfd, ctypes.byref(vector), 1, _MADV_PAGEOUT, 0) < 0:
                _raise_unless_harmless(ctypes.get_errno())


def _raise_unless_harmless(error: int) -> None:
    """EINVAL: locked. ENOMEM, EAGAIN: no memory there any more. Only what forbids all of it is an error."""
    if error in (errno.EPERM, errno.ENOSYS):
        raise BenchError(
            f"memory pressure cannot be made here: process_madvise says {errno.errorcode[error]}"
        )


def _missing_kb(pid: int, shared: Path) -> int:
    """KiB of the native code, the C library and the shared memory, from /proc/PID/smaps."""
    missing, hot, size = 0, False, 0
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key == "Size":
            size = int(value.split()[0])
        elif key == "Rss" and hot:
            missing += size - int(value.split()[0])
        elif " " in key:  # the line that begins a mapping
            one = parse_mapping(line)
            hot = one.readable and is_hot(one.file, shared)
    return missing
