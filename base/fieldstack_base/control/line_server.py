"""Lines over a UNIX stream socket, for any number of clients: every control socket is built on it.

The processes of a cell take their commands through `ControlServer`, the virtual segment through a server with
words of its own. Each has an event loop: this waits for no client (but see `send_timeout_s`).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_LINE = 65536
MAX_CLIENTS = 32
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a client, which has a number that no other one will have. `content` None: it was too long."""

    client: int
    content: bytes | None


@dataclass(slots=True)
class _Client:
    """`overlong`: the line that is coming in has become too long, and is not kept."""

    number: int
    connection: socket.socket
    received: bytearray = field(default_factory=bytearray)
    overlong: bool = False


class LineServer:
    """A client that does not read its answers is dropped. Nothing that clients send or do ends the server.

    The socket has mode 0660; a stale one is replaced. `max_line`: the longest request, bytes.
    `send_timeout_s`: how long an answer may wait for its reader.
    """

    def __init__(self, path: Path, max_line: int = MAX_LINE, send_timeout_s: float = 0.0) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._max_line = max_line
        self._send_timeout_s = send_timeout_s
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o117)  # read and write for owner and group
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        self._listener.listen(8)
        self._clients: dict[int, _Client] = {}
        self._accepted = 0
        self._reserve = _open_reserve()

    @property
    def listener(self) -> int:
        return self._listener.fileno()

    def accept(self) -> int | None:
        """A new client's descriptor, to be watched; None if there is none (or too many)."""
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._turn_away()
            return None
        if len(self._clients) >= MAX_CLIENTS:
            connection.close()
            return None
        connection.settimeout(self._send_timeout_s)
        self._accepted += 1
        self._clients[connection.fileno()] = _Client(self._accepted, connection)
        return connection.fileno()

    def _turn_away(self) -> None:
        """No descriptor is left. The reserve lets the client in and go: it would keep the listener ready."""
        if self._reserve >= 0:
            os.close(self._reserve)
        with contextlib.suppress(OSError):
            self._listener.accept()[0].close()
        self._reserve = _open_reserve()

    def owns(self, descriptor: int) -> bool:
        """Whether it is a client's, and that client has not been dropped."""
        return descriptor in self._clients

    def receive_lines(self, descriptor: int) -> list[Line]:
        """Lines that have arrived whole, without their ends."""
        client = self._clients[descriptor]
        try:
            content = client.connection.recv(_CHUNK)
        except (BlockingIOError, TimeoutError):
            return []
        except OSError:
            content = b""
        if not content:
            self._drop(descriptor)
            return []
        *ends, rest = content.split(b"\n")
        lines = [self._end_line(client, end) for end in ends]
        self._keep(client, rest)
        return lines

    def _end_line(self, client: _Client, end: bytes) -> Line:
        self._keep(client, end)
        line = Line(client.number, None if client.overlong else bytes(client.received))
        client.overlong = False
        client.received.clear()
        return line

    def _keep(self, client: _Client, part: bytes) -> None:
        client.overlong |= len(client.received) + len(part) > self._max_line
        if client.overlong:
            client.received.clear()
        else:
            client.received += part

    def send(self, client: int, answer: dict[str, Any]) -> None:
        """To the client of that number, if it is still there: its descriptor may be another one's now."""
        descriptor = next((at for at, one in self._clients.items() if one.number == client), None)
        if descriptor is None:
            return
        line = json.dumps(answer, default=str).encode() + b"\n"
        try:
            self._clients[descriptor].connection.sendall(line)
        except OSError:
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        if client := self._clients.pop(descriptor, None):
            client.connection.close()

    def close(self) -> None:
        """End all connections and remove the socket."""
        for descriptor in list(self._clients):
            self._drop(descriptor)
        self._listener.close()
        if self._reserve >= 0:
            os.close(self._reserve)
        self._path.unlink(missing_ok=True)


def _open_reserve() -> int:
    """A descriptor to be given up when no other is left; -1: there is none for it either."""
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
