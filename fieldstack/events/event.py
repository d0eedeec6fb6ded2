"""One event and its line in the log: JSON with a checksum, which shows a torn or damaged line.

The event log writes such lines, and its readers check them.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fieldstack.events.kinds import EventKind, Severity
from fieldstack_base import bounded_json

_HEAD = b'{"seq":'
_MARK = b',"crc":"'
_TAIL = len(_MARK) + 8 + len(b'"}')


class DamagedLineError(ValueError):
    """A line of the event log is not complete: its checksum or shape is wrong."""


@dataclass(frozen=True, slots=True)
class Event:
    """One durable record.

    `t_ns` is CLOCK_MONOTONIC of the machine's run `boot_id`, `wall_ns` the same moment in UTC (Unix
    time). `kind` stays plain text if this version does not know it.
    """

    sequence: int
    t_ns: int
    wall_ns: int
    boot_id: str
    kind: EventKind | str
    severity: Severity
    text: str
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def when(self) -> datetime:
        return datetime.fromtimestamp(self.wall_ns / 1e9, UTC)

    def to_dict(self) -> dict[str, Any]:
        return {
            "seq": self.sequence,
            "t_ns": self.t_ns,
            "wall_ns": self.wall_ns,
            "time": self.when.isoformat(timespec="microseconds"),
            "boot": self.boot_id,
            "kind": str(self.kind),
            "severity": str(self.severity),
            "text": self.text,
            "data": self.data,
        }

    def encode(self) -> bytes:
        """The line, with its end-of-line and the CRC-32 of all before it."""
        body = json.dumps(self.to_dict(), separators=(",", ":"), default=str).encode()[:-1]
        return b'%s%s%08x"}\n' % (body, _MARK, zlib.crc32(body))


def decode(line: bytes) -> Event:
    """The event of one line (with or without its end-of-line).

    Raises:
        DamagedLineError: the line is not whole.
    """
    line = line.rstrip(b"\n")
    body, tail = line[:-_TAIL], line[-_TAIL:]
    if tail != b'%s%08x"}' % (_MARK, zlib.crc32(body)):
        raise DamagedLineError("the checksum is not that of the line")
    try:
        return _event(bounded_json.loads(body + b"}"))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedLineError(f"not an event: {error}") from error


def sequence_of(line: bytes) -> int:
    """The number of an event's line, without reading the rest of it."""
    return int(line[len(_HEAD) : line.index(b",")])


def _event(data: dict[str, Any]) -> Event:
    kind: EventKind | str = data["kind"]
    if kind in EventKind.__members__.values():
        kind = EventKind(kind)
    return Event(
        sequence=int(data["seq"]),
        t_ns=int(data["t_ns"]),
        wall_ns=int(data["wall_ns"]),
        boot_id=str(data["boot"]),
        kind=kind,
        severity=Severity(data["severity"]),
        text=str(data["text"]),
        data=dict(data["data"]),
    )
