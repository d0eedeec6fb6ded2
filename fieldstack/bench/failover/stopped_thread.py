"""Stops one thread of a process while its others continue, by ptrace(2), as a debugger does.

`incident_faults` uses it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_WAIT_ALL = 0x40000000
"""__WALL of waitpid(2): threads, too."""


class StoppedThread:
    """Stops the thread `tid` from `stop` to `release`. Call both and `reap` from one and the same thread.

    The tracer of a process learns of its end before its parent does: `reap` passes it on.
    """

    def __init__(self, tid: int) -> None:
        self._tid = tid
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def stop(self) -> None:
        """Raises OSError: the thread is gone, or may not be traced (needs root, or CAP_SYS_PTRACE)."""
        self._ask(_SEIZE)
        self._ask(_INTERRUPT)
        os.waitpid(self._tid, _WAIT_ALL)

    def reap(self) -> bool:
        """Whether its process has ended; if so, its parent knows it now, too."""
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(self._tid, os.WNOHANG | _WAIT_ALL)
            return pid == self._tid and (os.WIFEXITED(status) or os.WIFSIGNALED(status))
        return True

    def release(self) -> None:
        """Lets the thread continue, if it still exists."""
        with contextlib.suppress(OSError):
            self._ask(_DETACH)
        self.reap()

    def _ask(self, request: int) -> None:
        if self._libc.ptrace(request, self._tid, None, None):
            number = ctypes.get_errno()
            raise OSError(number, f"ptrace of thread {self._tid}: {os.strerror(number)}")


@contextlib.contextmanager
def stopped_thread(tid: int) -> Iterator[StoppedThread]:
    """The thread is stopped for as long as the block runs, or until its process ends."""
    thread = StoppedThread(tid)
    thread.stop()
    try:
        yield thread
    finally:
        thread.release()
