"""One channel as the alert service has it: its gate (`routing`), its queue (`spool`), its delivery.

`AlertService` has one for each channel of the configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldstack.alerts.channels.make import make_channel
from fieldstack.alerts.delivery import Counts, Delivery
from fieldstack.alerts.model.settings import ChannelSection
from fieldstack.alerts.routing import Route
from fieldstack.alerts.spool import Spool
from fieldstack.alerts.token_bucket import TokenBucket


class ChannelPipeline:
    """`clock` measures how long alerts wait (ns)."""

    def __init__(self, name: str, section: ChannelSection, folder: Path, clock: Callable[[], int]) -> None:
        self.name, self._section = name, section
        self.route = Route(section.min_severity, TokenBucket(section.per_minute, section.burst))
        self.spool = Spool(folder / name, clock=clock)
        self.counts = Counts()
        self.delivery = self._make()

    def _make(self) -> Delivery:
        channel = make_channel(self._section)
        return Delivery(self.name, channel, self.spool, self._section.keep_hours, self.counts)

    def restart_delivery(self) -> None:
        """Another delivery thread; the old one ends by itself when it can."""
        self.delivery.end()
        self.delivery = self._make()
        self.delivery.start()

    def status(self) -> dict[str, Any]:
        counts, spool = self.counts, self.spool
        return {
            "queued": len(spool),
            "delivered": counts.delivered,
            "failed": counts.failed,
            "held_back": self.route.held_back,
            "dropped": spool.dropped + spool.damaged + counts.given_up,
            "last_error": counts.last_error,
            "failing": bool(counts.failing_since_ns),
            "disk": spool.failure,
        }
