"""Alerts: what a person has to know. Each goes to every channel; this slice has the journal."""

from __future__ import annotations

from typing import Protocol

import structlog

from fieldstack.events.event import Event


class AlertChannel(Protocol):
    """A way to reach people. `send` must not block and must not raise."""

    def send(self, event: Event) -> None: ...


class JournalChannel:
    """One structured line on standard error, which systemd's journal or the terminal keeps."""

    def __init__(self, instance: str) -> None:
        self._log = structlog.get_logger().bind(instance=instance)

    def send(self, event: Event) -> None:
        self._log.warning("alert", event_number=event.sequence, text=event.text)


class Alerts:
    def __init__(self, channels: tuple[AlertChannel, ...]) -> None:
        self._channels = channels

    def send(self, event: Event) -> None:
        for channel in self._channels:
            channel.send(event)
