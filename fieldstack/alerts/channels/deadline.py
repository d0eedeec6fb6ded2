"""Bounds a whole exchange over a socket: the socket's own time-out begins again with each byte that comes.

Mail and webhook use it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType

_AGAIN_S = 0.1


class Deadline:
    """While it is entered: after `timeout_s` the exchange's socket is shut down, so that whoever waits for it
    goes on. `link()` gives the socket; None: there is none yet, and the next one is shut down.

    `passed` distinguishes this from other ends of the connection.
    """

    def __init__(self, timeout_s: float, link: Callable[[], socket.socket | None]) -> None:
        self._timeout_s, self._link = timeout_s, link
        self._late = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts-deadline", daemon=True)

    @property
    def passed(self) -> bool:
        return self._late.is_set()

    def __enter__(self) -> Deadline:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _run(self) -> None:
        wait_s = self._timeout_s
        while not self._over.wait(wait_s):
            self._late.set()
            wait_s = _AGAIN_S
            if (link := self._link()) is not None:
                with contextlib.suppress(OSError):
                    # Not SSLSocket's own, which goes on in the clear for whoever writes at this moment.
                    socket.socket.shutdown(link, socket.SHUT_RDWR)
