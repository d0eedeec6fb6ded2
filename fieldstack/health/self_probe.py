"""Asks the server through its own socket, and beats only when the whole answer came. The server runs it.

So a beat proves that the event loop, the routes and the observation of the shared memory are alive.
"""

from __future__ import annotations

import socket
import threading
import time
import traceback
from pathlib import Path

from fieldstack.status.beat import INTERVAL_NS, BeatWriter

TIMEOUT_S = 2.0


def answers(path: Path, request: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether the server on that socket answers a GET with 200."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(f"GET {request} HTTP/1.1\r\nHost: self\r\nConnection: close\r\n\r\n".encode())
            first = connection.makefile("rb").readline(256)
    except OSError:
        return False
    return first.split(b" ")[1:2] == [b"200"]


class SelfProbe:
    """A thread that asks twice a second."""

    def __init__(self, path: Path, request: str, beat: BeatWriter) -> None:
        self._path, self._request, self._beat = path, request, beat
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="self-probe", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.wait(INTERVAL_NS / 1e9):
            try:
                if answers(self._path, self._request):
                    self._beat.write(time.monotonic_ns())
            except Exception:  # no beat for now; the next one comes if it works again
                traceback.print_exc()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(TIMEOUT_S + 1.0)
