"""Reads the room in the file systems of a cell's folders, as `df` and an unprivileged writer see it.

The disk's check and metrics use it.
"""

from __future__ import annotations

import os
from pathlib import Path

from fieldstack.health.model.observation import DiskView


class DiskSource:
    """`folders` by name."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = folders

    def read(self) -> tuple[DiskView, ...]:
        """Raises OSError: a folder is gone."""
        return tuple(view_of(name, path) for name, path in self._folders.items())


def view_of(name: str, path: Path) -> DiskView:
    found = os.statvfs(path)
    written = found.f_blocks - found.f_bfree
    usable = written + found.f_bavail
    inodes = found.f_files
    return DiskView(
        name,
        str(path),
        used=written / usable if usable else 0.0,
        free_bytes=found.f_bavail * found.f_frsize,
        inodes_used=(inodes - found.f_ffree) / inodes if inodes else 0.0,
        read_only=bool(found.f_flag & os.ST_RDONLY),
    )
