"""Reads keys that are pressed in a terminal while it shows a dashboard.

`fieldstack up` and `fieldstack-rt status` use it. The terminal is restored however this ends.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from types import FrameType, TracebackType

MOST_KEYS = 64


class PressedKeys:
    """A context manager: within it keys arrive as they are pressed, and are not displayed.

    Without a terminal no key ever arrives. `end_on_sigterm`: SIGTERM, which would end the process at once,
    raises SystemExit in it.
    """

    def __init__(self, *, end_on_sigterm: bool = False) -> None:
        self._descriptor = sys.stdin.fileno() if _is_ours() else -1
        self._end_on_sigterm = end_on_sigterm

    def __enter__(self) -> PressedKeys:
        if self._descriptor >= 0:
            self._before = termios.tcgetattr(self._descriptor)
            if self._end_on_sigterm:
                self._handler = signal.signal(signal.SIGTERM, _end)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._descriptor < 0:
            return
        termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)
        if self._end_on_sigterm:
            signal.signal(signal.SIGTERM, self._handler)

    def new(self) -> str:
        """The keys pressed since the last call; it waits for nothing."""
        if self._descriptor < 0 or not select.select([self._descriptor], [], [], 0)[0]:
            return ""
        return os.read(self._descriptor, MOST_KEYS).decode(errors="replace")


def _is_ours() -> bool:
    """A terminal, and this process is in its foreground: in the background it would be stopped (SIGTTOU)."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)
