"""Work on slaves in steps that never wait.

A script is a generator. It yields when it has to wait for something, and the time (CLOCK_MONOTONIC, ns)
before which there is no sense in going on (`AT_ONCE`: none); it is sent the time at which it goes on. Between
two yields it does one acyclic transaction or a few, each with a time-out of milliseconds. So one thread can
serve any number of slow slaves, and nobody waits for anybody else.

The recovery runs scripts beside the cycle; bring-up and scan run one to its end (`run_to_end`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")
Script = Generator[int, int, T]
AT_ONCE = 0
FIRST_PAUSE_NS = 300_000
LONGEST_PAUSE_NS = 5_000_000


def pause_ns(waited_ns: int) -> int:
    """How long to wait before the next check, after having waited for this long."""
    return min(LONGEST_PAUSE_NS, max(FIRST_PAUSE_NS, waited_ns // 8))


def run_to_end(script: Script[T], clock: Callable[[], int] = time.monotonic_ns) -> T:
    """Run a script to its end and wait for it: where nobody else has to be served."""
    try:
        until_ns = next(script)
        while True:
            time.sleep(max(0, until_ns - clock()) / 1e9)
            until_ns = script.send(clock())
    except StopIteration as end:
        result: T = end.value
        return result
