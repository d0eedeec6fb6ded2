"""Reads what /proc says about one process. Every function raises OSError if the process is gone or forbids
it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
_UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True)
class Usage:
    """`start_ticks` (field 22 of stat) distinguishes a process from a later one with the same pid. `cpu_s`:
    since its start.

    `resident_bytes` comes from statm and takes 10 µs. The share of shared pages (PSS in smaps_rollup) takes
    milliseconds with the process's memory map locked, and an RT process must never wait for that.
    """

    start_ticks: int
    cpu_s: float
    resident_bytes: int
    virtual_bytes: int


@dataclass(frozen=True, slots=True)
class SoftLimits:
    """0: unlimited."""

    open_files: int
    address_space_bytes: int


def usage(folder: Path) -> Usage:
    """Of the process with this folder in /proc. Raises ProcessLookupError for a zombie: it uses nothing any
    more."""
    stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    fields = stat[stat.rindex(")") + 2 :].split()  # the name may hold blanks and brackets
    if fields[0] in ("Z", "X"):
        raise ProcessLookupError(f"{folder} has ended")
    virtual, resident = (folder / "statm").read_text(encoding="ascii").split()[:2]
    return Usage(
        start_ticks=int(fields[19]),
        cpu_s=(int(fields[11]) + int(fields[12])) / TICKS,
        resident_bytes=int(resident) * PAGE,
        virtual_bytes=int(virtual) * PAGE,
    )


def open_files(folder: Path) -> int:
    """Since Linux 6.2 the folder's size is the number (one system call); before, its entries are counted."""
    return os.stat(folder / "fd").st_size or len(os.listdir(folder / "fd"))


def soft_limits(folder: Path) -> SoftLimits:
    text = (folder / "limits").read_text(encoding="ascii", errors="replace")
    return SoftLimits(_soft(text, "Max open files"), _soft(text, "Max address space"))


def _soft(text: str, name: str) -> int:
    for line in text.splitlines():
        if line.startswith(name):
            word = line[len(name) :].split()[0]
            return 0 if word == _UNLIMITED else int(word)
    return 0


def cgroup(folder: Path) -> str:
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
