"""Says whether a key of the terminal is held down, which a terminal shows by repeats. Jogging uses it.

A single press moves nothing: only the second repeat in a row shows that the key is held. The terminal is
restored however this ends, also by SIGTERM.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from types import FrameType, TracebackType

REPEATS_WITHIN_S = 0.15
QUIT = frozenset(b"q\x1b\x04")
"""q, Escape, Ctrl-D; Ctrl-C raises KeyboardInterrupt as ever."""


class HeldKey:
    """A context manager: within it keys arrive as they are pressed, and are not displayed."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        self._key = b""
        self._run = 0
        self.last_ns = 0
        """When the key was last seen to be down, CLOCK_MONOTONIC; 0: none was yet."""
        self.quit = False

    def __enter__(self) -> HeldKey:
        self._before = termios.tcgetattr(self._descriptor)
        self._handler = signal.signal(signal.SIGTERM, _end)
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)
        signal.signal(signal.SIGTERM, self._handler)

    def poll(self, wait_s: float) -> bool:
        """Wait for keys for at most this time; returns whether one is held down now."""
        if select.select([self._descriptor], [], [], wait_s)[0]:
            self._take(os.read(self._descriptor, 64), time.monotonic_ns())
        held = self._run > 1 and time.monotonic_ns() - self.last_ns < REPEATS_WITHIN_S * 1e9
        if not held and self._run > 1:
            self._run = 0
        return held

    def _take(self, keys: bytes, now_ns: int) -> None:
        if not keys or QUIT & set(keys[:1]):
            self.quit = True
            return
        key = keys[:1]
        soon = now_ns - self.last_ns < REPEATS_WITHIN_S * 1e9
        self._run = self._run + 1 if key == self._key and soon else 0
        self._key, self.last_ns = key, now_ns


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
