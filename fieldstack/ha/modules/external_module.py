"""A module that is a process of its own. The health server is one: who started the cell keeps it running.

Used by `nonrt.module_list`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from fieldstack.ha.modules.module import GRACE_NS, STARTING
from fieldstack_base.units import NS_PER_MS

CHECK_INTERVAL_NS = 200 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class ExternalProcess:
    """A module's process now. `pid` 0: none runs; `trouble`: why it is not at work, empty: it is."""

    pid: int
    trouble: str = ""


class ExternalModule:
    """A module that is a process of its own, which outlives this one: who started the cell keeps it running.

    Non-RT watches it, and kills one that is to be restarted. `find_process` is asked a few times a second.
    """

    def __init__(self, name: str, find_process: Callable[[], ExternalProcess]) -> None:
        self.name = name
        self.starts = 0
        self._find_process = find_process
        self._found = ExternalProcess(0, STARTING)
        self._asked_ns = self._begun_ns = 0
        self._seen = False

    def start(self) -> None:
        self.starts += 1
        self._begun_ns = self._begun_ns or time.monotonic_ns()
        if self.starts > 1 and (pid := self._find_process().pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # one that hangs would not hear of less
            self._asked_ns = 0

    def tick(self) -> None: ...

    def trouble(self) -> str:
        now_ns = time.monotonic_ns()
        if now_ns - self._asked_ns >= CHECK_INTERVAL_NS:
            self._asked_ns, self._found = now_ns, self._find_process()
            self._seen |= bool(self._found.pid)
        early = not self._seen and now_ns - self._begun_ns < GRACE_NS
        return STARTING if self._found.trouble and early else self._found.trouble

    def close(self) -> None:
        """It continues, so that it can report that this process does not run."""
