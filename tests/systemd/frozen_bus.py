"""Runs inside the container: a process manager whose bus daemon is stopped must neither wait nor be blind.

Prints one JSON object of what it saw.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from fieldstack.process.systemd import SystemdProcessManager

NAME = "probe"
PATIENCE_S = 30.0


class Timed:
    """The manager, with the longest that any call took."""

    def __init__(self, manager: SystemdProcessManager) -> None:
        self._manager, self.longest_s = manager, 0.0

    def __call__(self, method: str, *arguments: object) -> Any:
        began = time.monotonic()
        try:
            return getattr(self._manager, method)(*arguments)
        finally:
            self.longest_s = max(self.longest_s, time.monotonic() - began)

    def await_that(self, condition: Callable[[], object]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not condition():
            self("tick")
            if time.monotonic() > until:
                sys.exit("it did not happen")
            time.sleep(0.005)

    def pid(self) -> int:
        handle = self("handle", NAME)
        return handle.pid if handle else 0


def give_up_a_start(manager: SystemdProcessManager, timed: Timed, bus_daemon: int) -> str:
    """What becomes of a start that is given up while it waits for systemd to notice the end before it."""
    timed("start", NAME)
    timed.await_that(timed.pid)
    os.kill(bus_daemon, signal.SIGSTOP)
    try:
        timed("kill", NAME)
        timed.await_that(lambda: timed("ended", NAME))
        timed("start", NAME)
        order = manager._processes[NAME].order
        timed("kill", NAME)
    finally:
        os.kill(bus_daemon, signal.SIGCONT)
    timed.await_that(lambda: order is None or order.done)
    return order.failure if order else "there was no order"


def main(unit: str, bus_daemon: int) -> None:
    manager = SystemdProcessManager({NAME: unit})
    timed = Timed(manager)
    timed("start", NAME)
    timed.await_that(timed.pid)
    first = timed.pid()
    os.kill(bus_daemon, signal.SIGSTOP)
    try:
        timed("kill", NAME)
        timed.await_that(lambda: timed("ended", NAME))
        ended = timed("ended", NAME)
        coming = timed("start", NAME)
        timed("tick")
    finally:
        os.kill(bus_daemon, signal.SIGCONT)
    timed.await_that(timed.pid)
    second = timed.pid()
    timed("stop", NAME, 5.0)
    timed.await_that(lambda: timed("ended", NAME))
    stopped = timed("ended", NAME)
    given_up = give_up_a_start(manager, timed, bus_daemon)
    manager.close()
    seen = {
        "longest_s": timed.longest_s,
        "same": ended.pid == first,
        "ended": ended.text,
        "pending": [coming.pid, coming.pidfd],
        "another": second not in (0, first),
        "stopped": [stopped.pid == second, stopped.text],
        "given_up": given_up,
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
