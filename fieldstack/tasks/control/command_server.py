"""The control socket of the Main Core process, served in a thread of its own; the process starts and ends it.

The handler answers the commands. A client waits at most for one pass of the feeding loop.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
import traceback
from pathlib import Path

from fieldstack.tasks.control.command_handler import TaskCommandHandler
from fieldstack_base.control.server import ControlServer
from fieldstack_base.yaml_source import MAX_BYTES

LONGEST_REQUEST = 8 * MAX_BYTES
"""Bytes: the longest text of a task, as JSON escapes it at worst."""
RETRY_S = 0.05
"""After a fault of ours, before the next request is served."""


class TaskCommandServer:
    """Serves the socket until it is closed."""

    def __init__(self, path: Path, handler: TaskCommandHandler) -> None:
        self._server = ControlServer(path, LONGEST_REQUEST)
        self._handler = handler
        self._epoll = select.epoll()
        self._woken, self._waker = socket.socketpair()
        for descriptor in (self._server.listener, self._woken.fileno()):
            self._epoll.register(descriptor, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="task-commands", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._waker.send(b"x")
        self._thread.join(5.0)
        self._epoll.close()
        self._server.close()
        self._woken.close()
        self._waker.close()

    def _run(self) -> None:
        while True:
            for descriptor, _ in self._epoll.poll():
                if descriptor == self._woken.fileno():
                    return
                try:
                    self._serve(descriptor)
                except Exception:  # others are served on, not too fast if it comes again
                    traceback.print_exc()
                    time.sleep(RETRY_S)

    def _serve(self, descriptor: int) -> None:
        if descriptor == self._server.listener:
            client = self._server.accept()
            if client is not None:
                self._epoll.register(client, select.EPOLLIN)
            return
        if not self._server.owns(descriptor):
            with contextlib.suppress(OSError):
                self._epoll.unregister(descriptor)
            return
        for command in self._server.receive(descriptor):
            ok, message, more = self._handler.answer(command)
            self._server.answer(command.client, ok=ok, message=message, **more)
