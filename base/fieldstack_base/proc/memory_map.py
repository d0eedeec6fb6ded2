"""Reads the mapped memory of a process (/proc/PID/maps, proc_pid_maps(5)), and says what of it may be read.

RT finds SOEM's context and locks memory with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapped range: `[start, end)`, permissions as the kernel writes them, the file or empty."""

    start: int
    end: int
    permissions: str
    file: str

    @property
    def readable(self) -> bool:
        return self.permissions.startswith("r")


class MemoryMap:
    """The process' mapped ranges at one moment; parsed only as far as an answer needs."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    @classmethod
    def read(cls, pid: int | None = None) -> MemoryMap:
        """Of a process; None: of this one. Raises OSError if it may not be read, or has gone."""
        with open(f"/proc/{pid or 'self'}/maps", encoding="utf-8", errors="surrogateescape") as maps:
            return cls(maps.read())

    @property
    def mappings(self) -> Iterator[Mapping]:
        """All ranges, by rising address."""
        return map(parse_mapping, self._lines)

    def readable(self, address: int | None, size: int) -> bool:
        """True if all of `[address, address + size)` can be read; adjacent ranges count as one."""
        return self._covered(address, size, "r")

    def writable(self, address: int | None, size: int) -> bool:
        return self._covered(address, size, "w")

    def code_of(self, address: int) -> str:
        """The file whose executable mapping holds `address`, or an empty string."""
        for mapping in self.mappings:
            if mapping.start <= address < mapping.end and "x" in mapping.permissions:
                return mapping.file
        return ""

    def _covered(self, address: int | None, size: int, permission: str) -> bool:
        if not address:
            return False
        end = address + size
        for mapping in self.mappings:
            if mapping.start <= address < mapping.end and permission in mapping.permissions:
                if end <= mapping.end:
                    return True
                address = mapping.end
        return False


def parse_mapping(line: str) -> Mapping:
    """Of one line of the file. Raises ValueError, IndexError: it is none."""
    parts = line.split(maxsplit=5)
    start, end = (int(part, 16) for part in parts[0].split("-"))
    return Mapping(start, end, parts[1], parts[5] if len(parts) > 5 else "")
