"""Starts `rt_side.py`, and tells what the system says of it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from fieldstack_rt.datastore import DataStore

_SIDE = Path(__file__).with_name("rt_side.py")
_SEIZE, _DETACH, _TRACE_EXIT = 0x4206, 17, 0x40
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class RtWithoutBus:
    """One process; killed with the `with` block if it has not ended by then."""

    def __init__(self, process: subprocess.Popen[str], epoch: int, tid: int) -> None:
        self.process, self.pid, self.epoch, self.tid = process, process.pid, epoch, tid

    def tell(self, word: str, answer: str = "") -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert not answer or self.process.stdout.readline() == f"{answer}\n"

    def lives(self) -> bool:
        """By /proc, so that nothing is reaped: a zombie sends no frames."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state not in "ZX"


@contextlib.contextmanager
def rt_without_bus(store: DataStore) -> Iterator[RtWithoutBus]:
    command = [sys.executable, str(_SIDE), store.instance.name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield RtWithoutBus(process, store.rt_epoch, int(store.raw.rt_tid))
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def unkillable(rt: RtWithoutBus) -> Iterator[None]:
    """SIGKILL ends its threads, but the process stays until the end of the block: PTRACE_O_TRACEEXIT."""
    if _libc.ptrace(_SEIZE, rt.pid, None, _TRACE_EXIT):
        raise OSError(ctypes.get_errno(), "ptrace")
    try:
        yield
    finally:
        _libc.ptrace(_DETACH, rt.pid, None, None)
        os.kill(rt.pid, 0)
