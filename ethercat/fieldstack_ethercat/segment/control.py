"""The control socket's server: JSON lines on a UNIX stream socket, for any number of clients."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldstack_base import bounded_json

LINE_LIMIT = 1 << 16
"""Bytes of the longest request."""
_SEND_TIMEOUT_S = 1.0
_TOO_LONG = {"ok": False, "error": f"a request is at most {LINE_LIMIT} bytes long"}

Handler = Callable[[Any], dict[str, Any]]


class ControlServer:
    """Answers each line on the socket at `path` with `handler`'s answer.

    The socket has mode 0660; a stale one is replaced.
    """

    def __init__(self, path: Path, selector: selectors.BaseSelector, handler: Handler) -> None:
        self._path = path
        self._selector = selector
        self._handler = handler
        self._pending: dict[socket.socket, bytes] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)
        self._listener.bind(str(path))
        path.chmod(0o660)
        self._listener.listen()
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Ends all connections and removes the socket."""
        for connection in list(self._pending):
            self._drop(connection)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(_SEND_TIMEOUT_S)
        self._pending[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(connection))

    def _read(self, connection: socket.socket) -> None:
        try:
            received = connection.recv(LINE_LIMIT)
            if not received:
                self._drop(connection)
                return
            *lines, rest = (self._pending[connection] + received).split(b"\n")
            self._pending[connection] = rest
            for line in lines:
                self._send(connection, self._answer(line))
            if len(rest) > LINE_LIMIT:
                self._send(connection, _TOO_LONG)
                self._drop(connection)
        except OSError:
            self._drop(connection)

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = bounded_json.loads(line)
        except ValueError as error:
            return {"ok": False, "error": f"not a line of JSON: {error}"}
        return self._handler(request)

    @staticmethod
    def _send(connection: socket.socket, answer: dict[str, Any]) -> None:
        connection.sendall(json.dumps(answer).encode() + b"\n")

    def _drop(self, connection: socket.socket) -> None:
        if self._pending.pop(connection, None) is None:
            return
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection)
        connection.close()
