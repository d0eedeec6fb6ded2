"""Talking to a running Non-RT process: what `fieldstack reset` and its like use."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

from fieldstack_rt.instance import Instance


class NonRtUnreachableError(ConnectionError):
    """The Non-RT process does not answer, for example because the cell is down."""

    def __init__(self, instance: Instance, why: str) -> None:
        super().__init__(
            f"the Non-RT process of instance {instance.name!r} does not answer ({why}); "
            "is the cell up? See `fieldstack-rt status --instance ...`"
        )
        self.instance = instance


@dataclass(frozen=True, slots=True)
class Answer:
    """`accepted` False: refused, and `message` says why. `data` has all fields of the answer."""

    accepted: bool
    message: str
    data: dict[str, Any]


def ask(instance: Instance, command: str, timeout_s: float = 5.0, **fields: Any) -> Answer:
    """Send one command (`reset`, `estop`, `status`, `shutdown`, `restart`) and wait for its answer.

    Raises:
        NonRtUnreachableError: nobody listens, or no answer came in time.
    """
    line = json.dumps({"command": command, **fields}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(instance.control_socket))
            connection.sendall(line)
            received = connection.makefile("rb").readline()
    except OSError as error:
        raise NonRtUnreachableError(instance, error.strerror or str(error) or "time-out") from error
    if not received.endswith(b"\n"):
        raise NonRtUnreachableError(instance, "it closed the connection")
    data = json.loads(received)
    return Answer(bool(data.get("ok")), str(data.get("message", "")), data)
