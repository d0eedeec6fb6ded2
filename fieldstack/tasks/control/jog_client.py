"""One jog over one connection to the control socket: begin, hold, release. `fieldstack jog` uses it.

Nothing here has to work for the axis to stop: a jog that is not renewed ends in RT's cycle thread.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from fieldstack_base import bounded_json
from fieldstack_base.control.client import Answer, ControlUnreachableError, why_unreachable
from fieldstack_base.instance import Instance

TIMEOUT_S = 2.0


class HeldJog:
    """`held_ns`: when the person was last seen to hold it, CLOCK_MONOTONIC.

    Raises:
        ControlUnreachableError: from all of it: nobody listens, or no answer came in time.
    """

    def __init__(self, instance: Instance) -> None:
        self._name = instance.name
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(TIMEOUT_S)
        try:
            self._connection.connect(str(instance.core_socket))
        except OSError as error:
            self._connection.close()
            raise self._unreachable(error) from error
        self._answers = self._connection.makefile("rb")
        self._number = 0

    def __enter__(self) -> HeldJog:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def begin(self, axis: str, direction: str, percent: float, held_ns: int, by: str = "") -> Answer:
        """`by`: who holds it, for the record."""
        fields = {"axis": axis, "direction": direction, "percent": percent, "held_ns": held_ns, "by": by}
        answer = self._ask("jog", **fields)
        self._number = int(answer.data.get("jog", 0))
        return answer

    def renew(self, held_ns: int) -> Answer:
        return self._ask("jog_renew", jog=self._number, held_ns=held_ns)

    def release(self) -> Answer:
        return self._ask("jog_release", jog=self._number)

    def _ask(self, command: str, **fields: Any) -> Answer:
        try:
            self._connection.sendall(json.dumps({"command": command, **fields}).encode() + b"\n")
            data = bounded_json.loads(self._answers.readline())
            return Answer(bool(data["ok"]), str(data["message"]), data)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> ControlUnreachableError:
        why = why_unreachable(error) if isinstance(error, OSError) else "it closed the connection"
        return ControlUnreachableError("Main Core", self._name, why)
