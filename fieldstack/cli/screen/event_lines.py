"""Formats events as lines for people, and reads new ones. `events`, `up` and `status` use it."""

from __future__ import annotations

from fieldstack.events.event import Event
from fieldstack.events.reader import EventReader
from fieldstack.events.segments import folder_of, segments
from fieldstack_base.instance import Instance


def line(event: Event) -> str:
    """One line: local time to the millisecond, severity, text."""
    moment = event.when.astimezone()
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d} {event.severity.upper():8} {event.text}"


def no_log(instance: Instance) -> str:
    """Where the log of an instance was searched, if there is none that this user can read; else empty."""
    folder = folder_of(instance.state_dir)
    if segments(folder):
        return ""
    return (
        f"no events of instance {instance.name!r} in {folder}: nothing ran there, or this user may not read "
        "them. FIELDSTACK_STATE_DIR names another state folder"
    )


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
