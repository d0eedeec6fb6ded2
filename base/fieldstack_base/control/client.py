"""Sends one request to a process's control socket and returns its answer.

The `fieldstack` commands use it, and Non-RT when it commands the process that runs the tasks.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldstack_base import bounded_json


class ControlUnreachableError(ConnectionError):
    """A process of the cell does not answer on its control socket, for example because the cell is down."""

    def __init__(self, process: str, instance: str, why: str) -> None:
        super().__init__(
            f"the {process} process of instance {instance!r} does not answer ({why}); "
            f"is the cell up? See `fieldstack status --instance {instance}`; `fieldstack up` starts one"
        )
        self.process, self.instance, self.why = process, instance, why


@dataclass(frozen=True, slots=True)
class Answer:
    """`accepted` False: the request was refused; `message` says why. `data` has all fields of the answer."""

    accepted: bool
    message: str
    data: dict[str, Any]


def request(path: Path, command: str, timeout_s: float, **fields: Any) -> Answer:
    """Send one command and wait for its answer.

    Raises:
        OSError: nobody listens, no answer came in time, or what came was no answer.
    """
    line = json.dumps({"command": command, **fields}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        connection.sendall(line)
        received = connection.makefile("rb").readline()
    if not received.endswith(b"\n"):
        raise ConnectionResetError("it closed the connection")
    try:
        data = dict(bounded_json.loads(received))
    except (ValueError, TypeError) as error:
        raise ConnectionError("its answer is not one JSON object") from error
    return Answer(bool(data.get("ok")), str(data.get("message", "")), data)


def why_unreachable(error: OSError) -> str:
    """The reason of a failed `request`, for people."""
    return error.strerror or str(error) or "time-out"
