"""Asks Non-RT for its status, on its control socket with a short time-out.

The metrics that only Non-RT knows come from it; a check says whether it answers.
"""

from __future__ import annotations

from typing import Any

from fieldstack.process.nonrt_client import ask
from fieldstack_base.instance import Instance

TIMEOUT_S = 0.5


class ControlSource:
    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def read(self) -> dict[str, Any]:
        """Raises NonRtUnreachableError."""
        found = ask(self._instance, "status", TIMEOUT_S).data.get("status")
        return found if isinstance(found, dict) else {}
