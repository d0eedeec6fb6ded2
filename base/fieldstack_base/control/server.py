"""The control socket of a process: a UNIX stream socket with one JSON object a line, each with one answer.

Request: `{"command": "reset", "by": "Ann", "note": "..."}`. Answer: `{"ok": true, "message": "..."}`. Non-RT
and the process that runs the tasks have one each; `control.client` asks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldstack_base import bounded_json
from fieldstack_base.control.line_server import MAX_CLIENTS, MAX_LINE, Line, LineServer

__all__ = ["MAX_CLIENTS", "MAX_LINE", "Command", "ControlServer"]


@dataclass(frozen=True, slots=True)
class Command:
    """One request line of a client, which has a number that no other one will have."""

    client: int
    name: str
    data: dict[str, Any]

    def text(self, key: str) -> str:
        """Text that can be written anywhere: half a character (a lone surrogate) becomes a question mark."""
        value = self.data.get(key, "")
        return value.encode(errors="replace").decode() if isinstance(value, str) else ""


class ControlServer(LineServer):
    """Takes commands; whoever owns it answers them, in its own time."""

    def receive(self, descriptor: int) -> list[Command]:
        """Commands that have arrived whole; bad lines are answered here."""
        lines = self.receive_lines(descriptor)
        parsed = (self._parse(line) for line in lines if self.owns(descriptor))
        return [command for command in parsed if command]

    def _parse(self, line: Line) -> Command | None:
        if line.content is None:
            too_long = f"a request of more than {self._max_line} bytes is not taken"
            self.answer(line.client, ok=False, message=too_long)
            return None
        try:
            data = bounded_json.loads(line.content)
            return Command(line.client, str(data["command"]), dict(data))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            why = f"not a request ({type(error).__name__}: {error}): send a JSON object with 'command'"
            self.answer(line.client, ok=False, message=why)
            return None

    def answer(self, client: int, *, ok: bool, message: str, **more: Any) -> None:
        """Sends the answer to the client of that number, if it is still connected."""
        self.send(client, {"ok": ok, "message": message, **more})
