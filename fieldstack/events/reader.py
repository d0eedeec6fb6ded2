"""Reading an event log, also while it is written, and also when its cell is down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fieldstack.events.event import DamagedLineError, Event, decode
from fieldstack.events.segments import first_number, folder_of, segments

POLL_S = 0.1


class EventReader:
    """Reads `state_dir/events`. `damaged` counts lines whose checksum was wrong: they are skipped."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = folder_of(state_dir)
        self.damaged = 0
        self._consumed: dict[str, int] = {}

    def read(
        self, since: int = 0, *, follow: bool = False, stop: Callable[[], bool] | None = None
    ) -> Iterator[Event]:
        """Events with a number above `since`, oldest first.

        `follow` waits for more until `stop()` (asked ten times a second) says so.
        """
        self._consumed.clear()
        while True:
            for event in self._read_once(since):
                since = event.sequence
                yield event
            if not follow or (stop and stop()):
                return
            time.sleep(POLL_S)

    def last(self, count: int) -> list[Event]:
        """The newest `count` events, oldest first."""
        self._consumed.clear()
        found: list[Event] = []
        for segment in reversed(segments(self._folder)):
            found = list(self._segment(segment, 0)) + found
            if len(found) >= count:
                break
        return found[-count:] if count > 0 else []

    def _read_once(self, since: int) -> Iterator[Event]:
        found = segments(self._folder)
        for place, segment in enumerate(found):
            following = found[place + 1] if place + 1 < len(found) else None
            if following is None or first_number(following) > since + 1:
                yield from self._segment(segment, since)

    def _segment(self, segment: Path, since: int) -> Iterator[Event]:
        begin = self._consumed.get(segment.name, 0)
        try:
            with segment.open("rb") as file:
                file.seek(begin)
                content = file.read()
        except FileNotFoundError:  # pruned meanwhile
            return
        lines = content.split(b"\n")
        unfinished = lines.pop()  # still being written
        self._consumed[segment.name] = begin + len(content) - len(unfinished)
        for line in lines:
            try:
                event = decode(line)
            except DamagedLineError:
                self.damaged += 1
                continue
            if event.sequence > since:
                yield event
