"""Reads an event log, also while it is written and when its cell is down.

`fieldstack events`, `status` and `policy explain` show it; Non-RT finds unsent alerts in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fieldstack.events.event import DamagedLineError, Event, decode
from fieldstack.events.segments import first_number, folder_of, segments

POLL_S = 0.1
TAIL_BYTES = 1024
"""About how many bytes an event has in the log: how much of its end is read first."""


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

    def more(self, since: int = 0) -> list[Event]:
        """The events above `since` that were appended since the last call, oldest first; older ones are not
        read again."""
        return list(self._read_once(since))

    def last(self, count: int) -> list[Event]:
        """The newest `count` events, oldest first."""
        found: list[Event] = []
        for segment in reversed(segments(self._folder)):
            if len(found) < count:
                found = self._end_of(segment, count - len(found)) + found
        return found

    def _read_once(self, since: int) -> Iterator[Event]:
        found = segments(self._folder)
        for place, segment in enumerate(found):
            following = found[place + 1] if place + 1 < len(found) else None
            if following is None or first_number(following) > since + 1:
                yield from self._segment(segment, since)

    def _end_of(self, segment: Path, count: int) -> list[Event]:
        """The last `count` events of a segment; reads little more than these."""
        room, damaged = count * TAIL_BYTES, self.damaged
        while True:
            self.damaged = damaged
            try:
                with segment.open("rb") as file:
                    size = file.seek(0, os.SEEK_END)
                    file.seek(max(0, size - room))
                    lines = file.read().split(b"\n")[:-1]  # what follows the last one is still being written
            except FileNotFoundError:  # pruned meanwhile
                return []
            whole = lines if room >= size else lines[1:]
            found = list(self._decoded(whole))[-count:]
            if len(found) == count or room >= size:
                return found
            room *= 4

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
        yield from (event for event in self._decoded(lines) if event.sequence > since)

    def _decoded(self, lines: Iterable[bytes]) -> Iterator[Event]:
        for line in lines:
            try:
                yield decode(line)
            except DamagedLineError:
                self.damaged += 1
