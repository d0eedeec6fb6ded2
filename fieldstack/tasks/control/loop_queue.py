"""Work that other threads ask of the feeding loop: it is done between two passes, one after the other.

The command handler asks; the process has it done at the begin of each pass.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class LoopSilentError(Exception):
    """The feeding loop did not come to it in time."""


class LoopQueue:
    """`wake` is set when there is something to do; whoever asks waits for `timeout_s` at most."""

    def __init__(self, wake: threading.Event, timeout_s: float = 2.0) -> None:
        self._wake, self._timeout_s = wake, timeout_s
        self._waiting: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self.done = 0

    def ask(self, work: Callable[[], _Result], *, later: bool = False) -> _Result:
        """Have it done and wait for the result; what it raises is raised here.

        Raises:
            LoopSilentError: nothing came in time. It is not done any more; `later`: once the loop goes on.
        """
        future: Future[_Result] = Future()
        self._waiting.put((work, future))
        self._wake.set()
        try:
            return future.result(self._timeout_s)
        except TimeoutError:
            if later or future.cancel():
                raise LoopSilentError(
                    f"the feeding loop of the Main Core process made no pass within {self._timeout_s:g} s; "
                    "`fieldstack-rt status` shows whether it is restarted"
                ) from None
            return future.result()  # the loop is at it: nothing that is asked of it takes long

    def work(self) -> None:
        """Do all that waits; for the feeding loop."""
        while True:
            try:
                work, future = self._waiting.get_nowait()
            except Empty:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except Exception as error:  # it belongs to whoever asked
                future.set_exception(error)
            self.done += 1
