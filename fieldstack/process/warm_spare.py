"""A warm spare of a process: it is started in advance and waits on its standard input until it is needed.

The local process manager keeps one for RT, so that a restart is quick.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from fieldstack.process.manager import ProcessStartError

RETRY_S = 5.0
"""A spare that ended unused is started again after this time, which doubles with each one in a row."""
LONGEST_S = 300.0
STEADY_S = 60.0
"""A spare that has waited for this long counts as well."""

Spawn = Callable[[tuple[str, ...], int], "subprocess.Popen[bytes]"]


def release_spare(child: subprocess.Popen[bytes]) -> None:
    """Lets a process that waits on its standard input continue. Raises OSError if it is gone."""
    if child.stdin is not None:
        child.stdin.write(b"\n")
        child.stdin.close()


def end_spare(child: subprocess.Popen[bytes]) -> None:
    """Ends and reaps a process that still waits on its standard input."""
    child.kill()
    if child.stdin is not None:
        child.stdin.close()
    child.wait()


class Spare:
    """At most one waiting process. `spawn` starts a command line with a given kind of standard input."""

    def __init__(self, command: tuple[str, ...], spawn: Spawn) -> None:
        self._command, self._spawn = (*command, "--standby"), spawn
        self._child: subprocess.Popen[bytes] | None = None
        self._not_before_s = self._began_s = 0.0
        self.failures = 0
        """How many failed in a row; `why` is the reason of the last one."""
        self.why = ""

    @property
    def pid(self) -> int | None:
        """The pid of the waiting process, if there is one."""
        return self._child.pid if self._child else None

    def keep(self, now_s: float) -> None:
        """Makes sure that one process waits; `now_s` is CLOCK_MONOTONIC."""
        if self._child is not None and self._child.poll() is not None:
            code = self._child.returncode
            self._drop()
            self._failed(now_s, f"it ended while it waited (exit code {code})")
        if self._child is not None and now_s - self._began_s > STEADY_S:
            self.failures = 0
        if self._child is None and now_s >= self._not_before_s:
            try:
                self._child, self._began_s = self._spawn(self._command, subprocess.PIPE), now_s
            except (ProcessStartError, OSError) as error:  # a cell works without one
                self._failed(now_s, str(error))

    def _failed(self, now_s: float, why: str) -> None:
        self.failures, self.why = self.failures + 1, why
        self._not_before_s = now_s + min(LONGEST_S, RETRY_S * 2 ** min(self.failures - 1, 10))

    def activate(self, announce: Callable[[int], None]) -> subprocess.Popen[bytes] | None:
        """The spare, announced by its pid and then released; None if no spare can be used.

        Raises:
            OSError: it could not be announced, and is gone.
        """
        child, self._child = self._child, None
        if child is None or child.stdin is None:
            return None
        try:
            announce(child.pid)
        except OSError:
            end_spare(child)
            raise
        try:
            release_spare(child)
        except OSError:  # it is gone: the caller starts a new one
            child.wait()
            return None
        return child

    def discard(self) -> None:
        """Ends the waiting process."""
        child, self._child = self._child, None
        if child is not None:
            end_spare(child)

    def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            if child.stdin is not None:
                child.stdin.close()
            child.wait()
