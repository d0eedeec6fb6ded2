"""The control socket of a process: a UNIX stream socket with one JSON object a line, each with one answer.

Request: `{"command": "reset", "by": "Ann", "note": "..."}`. Answer: `{"ok": true, "message": "..."}`.
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

from fieldstack_base import bounded_json

MAX_LINE = 65536
MAX_CLIENTS = 32
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Command:
    """One request line, with the number of its client. No other client ever has this number."""

    client: int
    name: str
    data: dict[str, Any]

    def text(self, key: str) -> str:
        """The text with a question mark for each lone surrogate (half a character): it cannot be written."""
        value = self.data.get(key, "")
        return value.encode(errors="replace").decode() if isinstance(value, str) else ""


@dataclass(slots=True)
class _Client:
    """`overlong`: the line that is coming in is too long, and is not kept."""

    number: int
    connection: socket.socket
    received: bytearray = field(default_factory=bytearray)
    overlong: bool = False


class ControlServer:
    """It never blocks: a client that does not read its answers is dropped. Nothing that clients send or do
    ends the server.

    `max_line`: the longest request, in bytes.
    """

    def __init__(self, path: Path, max_line: int = MAX_LINE) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._max_line = max_line
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
        """The descriptor of a new client, to be watched; None if there is no new client (or there are too
        many)."""
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._turn_away()
            return None
        if len(self._clients) >= MAX_CLIENTS:
            connection.close()
            return None
        connection.setblocking(False)
        self._accepted += 1
        self._clients[connection.fileno()] = _Client(self._accepted, connection)
        return connection.fileno()

    def _turn_away(self) -> None:
        """No descriptor is left. The reserve descriptor accepts and drops the client, which would keep the
        listener ready."""
        if self._reserve >= 0:
            os.close(self._reserve)
        with contextlib.suppress(OSError):
            self._listener.accept()[0].close()
        self._reserve = _open_reserve()

    def owns(self, descriptor: int) -> bool:
        return descriptor in self._clients

    def receive(self, descriptor: int) -> list[Command]:
        """The commands that have arrived completely. Bad lines are answered here."""
        client = self._clients[descriptor]
        try:
            content = client.connection.recv(_CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            content = b""
        if not content:
            self._drop(descriptor)
            return []
        lines = self._lines(client, content)
        parsed = (self._parse(client.number, line) for line in lines if self.owns(descriptor))
        return [command for command in parsed if command]

    def _lines(self, client: _Client, content: bytes) -> list[bytes | None]:
        """Complete lines, without their ends; None for a line that was too long."""
        *ends, rest = content.split(b"\n")
        lines = list[bytes | None]()
        for end in ends:
            self._keep(client, end)
            lines.append(None if client.overlong else bytes(client.received))
            client.overlong = False
            client.received.clear()
        self._keep(client, rest)
        return lines

    def _keep(self, client: _Client, part: bytes) -> None:
        client.overlong |= len(client.received) + len(part) > self._max_line
        if client.overlong:
            client.received.clear()
        else:
            client.received += part

    def _parse(self, client: int, line: bytes | None) -> Command | None:
        if line is None:
            self.answer(
                client, ok=False, message=f"a request of more than {self._max_line} bytes is not taken"
            )
            return None
        try:
            data = bounded_json.loads(line)
            return Command(client, str(data["command"]), dict(data))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            why = f"{type(error).__name__}: {error}"
            self.answer(client, ok=False, message=f"not a request ({why}): send a JSON object with 'command'")
            return None

    def answer(self, client: int, *, ok: bool, message: str, **more: Any) -> None:
        """Answer the client with this number, if it is still there: its descriptor may belong to another one
        now."""
        descriptor = next((at for at, one in self._clients.items() if one.number == client), None)
        if descriptor is None:
            return
        line = json.dumps({"ok": ok, "message": message, **more}, default=str).encode() + b"\n"
        try:
            self._clients[descriptor].connection.sendall(line)
        except OSError:
            self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        if client := self._clients.pop(descriptor, None):
            client.connection.close()

    def close(self) -> None:
        for descriptor in list(self._clients):
            self._drop(descriptor)
        self._listener.close()
        if self._reserve >= 0:
            os.close(self._reserve)
        self._path.unlink(missing_ok=True)


def _open_reserve() -> int:
    """A descriptor in reserve, for when no other is left; -1: there was none for it either."""
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
