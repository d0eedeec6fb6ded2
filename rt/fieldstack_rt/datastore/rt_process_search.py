"""Finds the RT processes of an instance through the kernel; it trusts neither shared memory nor pid files.

This comes before a memory is made, replaced or removed, because a forgotten RT process would hold axes under
power. Used by `memory.py` and by the end of a cell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fieldstack_base.instance import DEFAULT_INSTANCE

COMM = "fieldstack-rt"
"""The name that an RT process takes (PR_SET_NAME) when it begins to work; a waiting spare has another."""
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class RtProcess:
    """A living RT process. `interface`: of its command line, empty if that names none."""

    pid: int
    instance: str
    interface: str


def rt_processes(instance: str, proc: Path = _PROC) -> list[RtProcess]:
    """The RT processes of one instance without this one; those in other process namespaces cannot be seen."""
    return [found for found in all_rt_processes(proc) if found.instance == instance]


def all_rt_processes(proc: Path = _PROC) -> list[RtProcess]:
    """The RT processes of all instances."""
    mine = str(os.getpid())
    numbers = (entry for entry in os.listdir(proc) if entry.isdigit() and entry != mine)
    looked = (_rt_process_at(proc / number) for number in numbers)
    return [found for found in looked if found is not None]


def _rt_process_at(folder: Path) -> RtProcess | None:
    with suppress(OSError):
        if (folder / "comm").read_text(errors="replace").rstrip("\n") == COMM:
            words = (folder / "cmdline").read_text(errors="replace").split("\0")
            if "run" in words:  # a zombie has no words any more
                instance = option(words, "--instance") or DEFAULT_INSTANCE
                return RtProcess(int(folder.name), instance, option(words, "--interface"))
    return None


def option(words: Sequence[str], name: str) -> str:
    """The value of an option in a command line; empty if it is not there."""
    for word, after in zip(words, (*words[1:], ""), strict=False):
        if word == name:
            return after
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where a process has a memory: `inode`, and a file that leads to it, whatever became of its name."""

    inode: int
    file: Path


_MAPS = re.compile(r"^(\S+) \S+ \S+ \S+ (\d+) +(\S+)( \(deleted\))?$", re.MULTILINE)


def mapping_of(pid: int, shm_name: str, proc: Path = _PROC) -> Mapping | None:
    """The shared memory of that name that a process works on; None: it has none, or only root may ask."""
    try:
        text = (proc / str(pid) / "maps").read_text(errors="replace")
    except OSError:
        return None
    return next(_found(text, proc / str(pid), f"/dev/shm/{shm_name.lstrip('/')}"), None)  # noqa: S108 - its place


def _found(maps: str, folder: Path, path: str) -> Iterator[Mapping]:
    for span, inode, name, _deleted in _MAPS.findall(maps):
        if name == path:
            start, end = (part.lstrip("0") for part in span.split("-"))
            yield Mapping(int(inode), folder / "map_files" / f"{start}-{end}")
