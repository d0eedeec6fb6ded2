"""Work that other threads ask of the feeding loop: done between two passes, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class LoopSilentError(Exception):
    """The feeding loop did not come to it in time."""


class Inbox:
    """`wake` is set when there is something to do."""

    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake
        self._waiting: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self.done = 0

    def ask(self, work: Callable[[], _Result], timeout_s: float = 2.0) -> _Result:
        """Have it done and wait for the result; what it raises is raised here.

        Raises:
            LoopSilentError: nothing came in time. It may still be done later.
        """
        future: Future[_Result] = Future()
        self._waiting.put((work, future))
        self._wake.set()
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise LoopSilentError(
                f"the feeding loop of the Main Core process made no pass within {timeout_s:g} s; "
                "`fieldstack-rt status` shows whether it is restarted"
            ) from None

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
