"""Reads control groups (version 2): which one a process is in, and what memory that one uses.

Non-RT's probe of process resources uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def cgroup_of(folder: Path) -> str:
    """Path of its control group in the unified hierarchy (version 2), "" if there is none."""
    for line in (folder / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("0::"):
            return line[3:]
    return ""


@dataclass(frozen=True, slots=True)
class GroupMemory:
    """`used_bytes` leaves out file pages that the kernel drops first, as Kubernetes' working set does."""

    path: str
    used_bytes: int
    limit_bytes: int


def group_memory(root: Path, path: str) -> GroupMemory | None:
    """Memory of the nearest control group, upwards, that has a `memory.max`; None if none has one."""
    folder = path.strip("/")
    while folder:
        place = root / folder
        limit = _number(place / "memory.max")
        if limit is not None:
            current = _number(place / "memory.current") or 0
            return GroupMemory("/" + folder, max(0, current - _inactive(place / "memory.stat")), limit)
        folder = folder.rpartition("/")[0]
    return None


def _number(file: Path) -> int | None:
    try:
        word = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(word) if word.isdigit() else None


def _inactive(file: Path) -> int:
    try:
        for line in file.read_text(encoding="ascii").splitlines():
            if line.startswith("inactive_file "):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
