"""Reads what /proc says about one process; the resource probes of Non-RT and prediction use it.

Every function raises OSError if the process is gone or forbids it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fieldstack_base.proc.stat import read_stat

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
    stat = read_stat(folder)
    if not stat.alive:
        raise ProcessLookupError(f"{folder} has ended")
    virtual, resident = (folder / "statm").read_text(encoding="ascii").split()[:2]
    return Usage(
        start_ticks=stat.start_ticks,
        cpu_s=stat.cpu_ticks / TICKS,
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
