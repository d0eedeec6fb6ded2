"""The outcome of an order: known at once, or followed from pass to pass until it was read back.

Actuators return it; the FailoverManager gives it to the next decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an action: `confirmed` only if it was read back."""

    confirmed: bool
    text: str


@dataclass(frozen=True, slots=True)
class PendingReadback:
    """An order that was given. `poll(now_ns)` reads back: an outcome, or what is still awaited (text).

    `timeout_ns` bounds it where the action brings no deadline. Of two orders on one `track` the later counts.
    """

    poll: Callable[[int], Outcome | str]
    timeout_ns: int
    track: str = ""


ExecutionResult = Outcome | PendingReadback | None
