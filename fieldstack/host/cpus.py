"""The CPUs that a real-time thread can be pinned to: those of this process, and isolated ones.

The cell configuration and the start of a cell choose from them. An isolated CPU (`isolcpus=`) is not in the
affinity mask of any process, but may still be chosen. Source: the kernel's
Documentation/admin-guide/cputopology.rst.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class Cpus:
    """The numbers of the CPUs, ascending. `isolated`: those of `usable` on which the kernel schedules nothing
    by itself."""

    usable: tuple[int, ...]
    isolated: tuple[int, ...] = ()

    @property
    def for_cycle(self) -> int:
        """The last isolated CPU, else the last of all."""
        return (self.isolated or self.usable)[-1]

    @property
    def for_rest(self) -> int:
        """The first that is not isolated, if there is one."""
        plain = [cpu for cpu in self.usable if cpu not in self.isolated]
        return plain[0] if plain else self.usable[0]


def read(affinity: frozenset[int] | None = None, folder: Path = SYSTEM) -> Cpus:
    """The machine's CPUs. `affinity`: of this process, if not as the kernel says."""
    mine = frozenset(os.sched_getaffinity(0)) if affinity is None else affinity
    isolated = parse_list(_text(folder / "isolated"))
    online = parse_list(_text(folder / "online")) or mine | isolated
    usable = (mine | isolated) & online or mine
    return Cpus(tuple(sorted(usable)), tuple(sorted(isolated & usable)))


def parse_list(text: str) -> frozenset[int]:
    """The kernel's list format: `0,2-4`. Text in another format gives no CPUs."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        if first.isdecimal() and (last.isdecimal() or not dash):
            found.update(range(int(first), int(last if dash else first) + 1))
    return frozenset(found)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
