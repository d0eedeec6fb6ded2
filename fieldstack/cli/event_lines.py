"""Events as lines for people, and the events that came since one looked last."""

from __future__ import annotations

from fieldstack.events.event import Event
from fieldstack.events.reader import EventReader
from fieldstack_rt.instance import Instance


def line(event: Event) -> str:
    """One line: local time to the millisecond, severity, text."""
    moment = event.when.astimezone()
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d} {event.severity.upper():8} {event.text}"


class EventTail:
    """Events of an instance that are newer than the moment it was made."""

    def __init__(self, instance: Instance) -> None:
        self._reader = EventReader(instance.state_dir)
        last = self._reader.last(1)
        self._since = last[0].sequence if last else 0

    def new(self) -> list[Event]:
        found = self._reader.more(self._since)
        if found:
            self._since = found[-1].sequence
        return found
