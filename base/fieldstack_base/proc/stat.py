"""Reads /proc/PID/stat: state, parent, start and processor time of a process (proc_pid_stat(5)).

Everything that identifies a process by its pid and start time uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stat:
    """`state` is the kernel's letter (R, S, D, T, t, Z, X ...). Ticks are those of SC_CLK_TCK; `start_ticks`,
    since boot, distinguishes a process from a later one with its pid."""

    state: str
    parent: int
    cpu_ticks: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        """It has not ended: it is neither a zombie nor dead."""
        return self.state not in "ZX"


def parse_stat(text: str) -> Stat:
    """Of the file's text. Raises ValueError, IndexError: it is none."""
    fields = text[text.rindex(")") + 2 :].split()  # the name may hold blanks and brackets
    return Stat(fields[0], int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[19]))


def read_stat(folder: Path) -> Stat:
    """Of the process, or thread, with that folder in /proc. Raises OSError if there is none."""
    return parse_stat((folder / "stat").read_text(encoding="utf-8", errors="replace"))
