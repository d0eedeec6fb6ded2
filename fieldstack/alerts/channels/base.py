"""What all channels have in common: the protocol, and the error of a delivery that failed.

Every channel follows the protocol, and `delivery` calls it.
"""

from __future__ import annotations

from typing import Protocol

from fieldstack.alerts.model.alert import Alert


class DeliveryError(Exception):
    """An alert was not taken; the text says why, and holds no secret.

    `permanent`: this alert will never be taken, so that it must not hold up others. `wait_s`: the receiver
    asks for this much time.
    """

    def __init__(self, text: str, *, permanent: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.permanent = permanent
        self.wait_s = wait_s


class Channel(Protocol):
    """`deliver` may block, at most for about `timeout_s`."""

    timeout_s: float

    def deliver(self, alert: Alert) -> str:
        """What the receiver said. Raises DeliveryError."""
