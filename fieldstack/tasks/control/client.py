"""Talks to a running Main Core process: `fieldstack task` and Non-RT's reallocation use it."""

from __future__ import annotations

from typing import Any

from fieldstack_base.control.client import Answer, ControlUnreachableError, request, why_unreachable
from fieldstack_base.instance import Instance


def ask(instance: Instance, command: str, timeout_s: float = 5.0, **fields: Any) -> Answer:
    """Send one command (`submit`, `list`, `status`, `reallocate` ...) and wait for its answer.

    Raises:
        ControlUnreachableError: nobody listens, or no answer came in time.
    """
    try:
        return request(instance.core_socket, command, timeout_s, **fields)
    except OSError as error:
        raise ControlUnreachableError("Main Core", instance.name, why_unreachable(error)) from error
