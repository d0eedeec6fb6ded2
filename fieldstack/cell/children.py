"""The child processes of `fieldstack up`: each has its own session and is restarted with backoff.

`up` starts and reaps them here; the takedown ends them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
BACKOFF_NS = (0, 500_000_000, 1_000_000_000, 2_000_000_000, 5_000_000_000)
"""Delay before the first, second ... restart in a row; the last one from then on."""
SETTLED_NS = 30_000_000_000
"""A process that has run for this long has started well: its next restart counts as the first again."""


def become_subreaper() -> None:
    """Lets us adopt orphans of our children: RT and Core, when the Non-RT process that started them dies."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(error)}")


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended: `code` is its exit code, or minus the signal that killed it."""

    pid: int
    code: int

    def text(self) -> str:
        if self.code < 0:
            return f"killed by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}"


def reap() -> list[Exit]:
    """All children, adopted ones too, that have ended since the last call."""
    ended: list[Exit] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append(Exit(pid, os.waitstatus_to_exitcode(status)))


@dataclass(slots=True)
class Child:
    """A program that is kept running. Times are arguments; nothing here waits. `log` takes the program's
    output."""

    name: str
    command: Sequence[str]
    log: Path
    pid: int = 0
    """0: not running."""
    started_ns: int = 0
    restart_at_ns: int | None = None
    short_lives: int = 0
    """How often in a row it ended soon after its start."""
    pidfd: int = -1
    """Readable once it has ended; -1: not running."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, now_ns: int) -> None:
        """Raises OSError if the program cannot be started."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for us: we end the others in order
            )
        self.pid = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)
        self.started_ns = now_ns
        self.restart_at_ns = None

    def ended(self, ended: Exit, now_ns: int) -> None:
        """Records its end, and when to start it again."""
        if self._process is not None:
            self._process.returncode = ended.code  # reaped by us, not by subprocess
        self.pid = 0
        self.close()
        self._again(now_ns)

    def not_started(self, now_ns: int) -> None:
        """Records a start that failed."""
        self.started_ns = now_ns
        self._again(now_ns)

    def _again(self, now_ns: int) -> None:
        self.short_lives = 0 if now_ns - self.started_ns > SETTLED_NS else self.short_lives + 1
        step = min(max(self.short_lives - 1, 0), len(BACKOFF_NS) - 1)
        self.restart_at_ns = now_ns + BACKOFF_NS[step]

    def close(self) -> None:
        """Stop waiting for its end."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def due(self, now_ns: int) -> bool:
        """Whether it is down and it is time to start it again."""
        return self.pid == 0 and self.restart_at_ns is not None and now_ns >= self.restart_at_ns

    def send(self, number: signal.Signals) -> None:
        if self.pid:
            os.kill(self.pid, number)
