"""Sends commands to a running Non-RT process; `fieldstack reset` and similar commands use it."""

from __future__ import annotations

from typing import Any

from fieldstack_base.control.client import Answer, ControlUnreachableError, request, why_unreachable
from fieldstack_base.instance import Instance


class NonRtUnreachableError(ControlUnreachableError):
    """The Non-RT process does not answer, for example because the cell is down."""

    def __init__(self, instance: Instance, why: str) -> None:
        super().__init__("Non-RT", instance.name, why)


def ask(instance: Instance, command: str, timeout_s: float = 5.0, **fields: Any) -> Answer:
    """Send one command (`reset`, `estop`, `status`, `shutdown`, `restart`) and wait for its answer.

    Raises:
        NonRtUnreachableError: nobody listens, or no answer came in time.
    """
    try:
        return request(instance.control_socket, command, timeout_s, **fields)
    except OSError as error:
        raise NonRtUnreachableError(instance, why_unreachable(error)) from error
