"""What has become of a report: it is settled when no message that it led to can be lost any more.

`AlertService` writes it; Non-RT's actuator for alerts, which raised the report, reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldstack.alerts.spool import Entry, Spool


@dataclass(slots=True)
class Receipt:
    """Written by the service. `event`: the report's. `refused`: why it was not taken in; empty: it was."""

    event: int = 0
    refused: str = ""
    messages: Sequence[tuple[Spool, Entry]] | None = None
    """None: not judged yet. Empty: receivers know already, or no channel wants it."""

    @property
    def awaited(self) -> str:
        """What has still to come about; empty: each message is on the disk, or delivered already."""
        if self.refused or self.messages is None:
            return self.refused or "the alert service has not come to it yet"
        for spool, entry in self.messages:
            if not (entry.on_disk or entry.finished):
                return f"it is not on the disk yet{f' ({spool.failure})' if spool.failure else ''}"
        return ""
