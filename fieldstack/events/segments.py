"""The files of an event log: segments named by their first number; the last one may have a torn end.

The log's writer and its readers use it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fieldstack.events.event import DamagedLineError, decode

PATTERN = "events-*.jsonl"


@dataclass(frozen=True, slots=True)
class Repair:
    """The bytes at the end of the last segment that are no complete line."""

    file: Path
    removed: int


def folder_of(state_dir: Path) -> Path:
    return state_dir / "events"


def segment_name(first: int) -> str:
    return f"events-{first:016d}.jsonl"


def segments(folder: Path) -> list[Path]:
    """All segments, oldest first."""
    return sorted(folder.glob(PATTERN))


def first_number(segment: Path) -> int:
    """The number of the first event in a segment, from the file's name; 0 if the name has none."""
    digits = segment.stem.removeprefix("events-")
    return int(digits) if digits.isdigit() else 0


def repair(segment: Path) -> tuple[int, Repair | None]:
    """Cut off bytes at a segment's end that are no complete line. Returns the number of its last complete
    event (0: it has none) and what was cut off."""
    with segment.open("r+b") as file:
        content = file.read()
        end, last = _whole_end(content)
        if end == len(content):
            return last, None
        file.truncate(end)
        file.flush()
        os.fsync(file.fileno())
    return last, Repair(segment, len(content) - end)


def _whole_end(content: bytes) -> tuple[int, int]:
    """Where the last complete line ends, and the number of its event."""
    end = len(content)
    while end > 0:
        start = content.rfind(b"\n", 0, end - 1) + 1
        line = content[start:end]
        try:
            if line.endswith(b"\n"):
                return end, decode(line).sequence
        except DamagedLineError:
            pass
        end = start
    return 0, 0


def prune(folder: Path, total_bytes: int) -> int:
    """Remove the oldest segments until all together have at most `total_bytes`; the last one stays."""
    found = segments(folder)
    sizes = {segment: segment.stat().st_size for segment in found}
    removed = 0
    for segment in found[:-1]:
        if sum(sizes.values()) <= total_bytes:
            break
        segment.unlink(missing_ok=True)
        del sizes[segment]
        removed += 1
    return removed
