"""Control socket of a process: UNIX stream, one JSON object a line, each answered with one.

Request: `{"command": "reset", "by": "Ann", "note": "..."}`. Answer: `{"ok": true, "message": "..."}`.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_LINE = 65536
MAX_CLIENTS = 32


@dataclass(frozen=True, slots=True)
class Command:
    """One request line of a client."""

    client: int
    name: str
    data: dict[str, Any]

    def text(self, key: str) -> str:
        value = self.data.get(key, "")
        return value if isinstance(value, str) else ""


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    received: bytearray = field(default_factory=bytearray)


class ControlServer:
    """Never blocks: a client that does not read its answers is dropped."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o117)  # read and write for owner and group
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(before)
        self._listener.listen(8)
        self._clients: dict[int, _Client] = {}

    @property
    def listener(self) -> int:
        return self._listener.fileno()

    def accept(self) -> int | None:
        """A new client's descriptor, to be watched; None if there is none (or too many)."""
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return None
        if len(self._clients) >= MAX_CLIENTS:
            connection.close()
            return None
        connection.setblocking(False)
        self._clients[connection.fileno()] = _Client(connection)
        return connection.fileno()

    def owns(self, descriptor: int) -> bool:
        return descriptor in self._clients

    def receive(self, descriptor: int) -> list[Command]:
        """Commands that have arrived whole; bad lines are answered here."""
        client = self._clients[descriptor]
        try:
            content = client.connection.recv(MAX_LINE)
        except BlockingIOError:
            return []
        except OSError:
            content = b""
        if not content:
            self._drop(descriptor)
            return []
        client.received += content
        *lines, rest = client.received.split(b"\n")
        client.received = bytearray(rest)
        if len(rest) > MAX_LINE:
            self._drop(descriptor)
        return [command for line in lines if (command := self._parse(descriptor, bytes(line)))]

    def _parse(self, descriptor: int, line: bytes) -> Command | None:
        try:
            data = json.loads(line)
            return Command(descriptor, str(data["command"]), dict(data))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self.answer(
                descriptor, ok=False, message=f"not a request ({error!r}): send a JSON object with 'command'"
            )
            return None

    def answer(self, descriptor: int, *, ok: bool, message: str, **more: Any) -> None:
        client = self._clients.get(descriptor)
        if client is None:
            return
        line = json.dumps({"ok": ok, "message": message, **more}, default=str).encode() + b"\n"
        try:
            client.connection.sendall(line)
        except OSError:
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        if client := self._clients.pop(descriptor, None):
            client.connection.close()

    def close(self) -> None:
        for descriptor in list(self._clients):
            self._drop(descriptor)
        self._listener.close()
        self._path.unlink(missing_ok=True)
