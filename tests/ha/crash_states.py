"""All that a folder may hold after a power cut: a model of what a file system may do to what was not synced.

POSIX promises nothing of data before fsync and nothing of names before the folder's fsync, in any order; ext4
keeps more order than that, so its states are among these. A write may be lost, arrive in part, or leave its
length behind with zeros in place of the data (delayed allocation).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from tests.ha.syscalls import Call

Folder = dict[str, bytes]
"""A folder's files by name."""


@dataclass(slots=True)
class _File:
    durable: bytes = b""
    now: bytes = b""
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    """Writes at an offset since the last fsync; offset -1 - n: cut to n bytes."""

    def write(self, offset: int, data: bytes) -> None:
        self.now = _written(self.now, offset, data)
        self.pending.append((offset, data))

    def cut(self, size: int) -> None:
        self.now = self.now[:size]
        self.pending.append((-1 - size, b""))

    def sync(self) -> None:
        self.durable, self.pending = self.now, []

    def variants(self) -> set[bytes]:
        found = set()
        for fates in product(range(4), repeat=len(self.pending)):
            content = self.durable
            for fate, (offset, data) in zip(fates, self.pending, strict=True):
                if fate and offset < 0:
                    content = content[: -1 - offset]
                elif fate:
                    arrived = (b"", data[: len(data) // 2], bytes(len(data)), data)[fate]
                    content = _written(content, offset, arrived)
            found.add(content)
        return found


def _written(content: bytes, offset: int, data: bytes) -> bytes:
    padded = content.ljust(offset, b"\0")
    return padded[:offset] + data + padded[offset + len(data) :]


@dataclass(slots=True)
class _Open:
    file: _File | None
    offset: int = 0
    append: bool = False


class Disk:
    """The model of one flat folder; feed it the calls of a trace in order. `marks`: bytes written to
    `mark_fd`, which tell how far the traced program said it was."""

    def __init__(
        self, root: Path, mark_fd: int, *, syncs_files: bool = True, syncs_names: bool = True
    ) -> None:
        self._root, self._mark_fd = root, mark_fd
        self._syncs_files, self._syncs_names = syncs_files, syncs_names
        found = {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()}
        self._durable = {name: _File(content, content) for name, content in found.items()}
        self._now = dict(self._durable)
        self._pending: list[tuple[str, str, _File | None]] = []
        """Changes of names since the folder's fsync: name that goes, name that comes, and its file."""
        self._open: dict[int, _Open] = {}
        self.marks = 0

    def states(self) -> Iterator[Folder]:
        """Every folder that a power cut at this moment may leave behind."""
        for kept in product((False, True), repeat=len(self._pending)):
            names = dict(self._durable)
            for keep, (gone, come, file) in zip(kept, self._pending, strict=True):
                if keep:
                    names.pop(gone, None)
                    if file is not None:
                        names[come] = file
            files = sorted(names)
            for contents in product(*(sorted(names[name].variants()) for name in files)):
                yield dict(zip(files, contents, strict=True))

    def feed(self, call: Call) -> None:
        if call.result < 0:
            return
        handler = getattr(self, f"_{call.name}", None)
        if handler is not None:
            handler(call)

    def _name(self, path: str) -> str | None:
        whole = Path(path)
        return whole.name if whole.parent == self._root else None

    def _openat(self, call: Call) -> None:
        flags = call.args[2] if call.name == "openat" else call.args[1]
        if Path(call.paths[0]) == self._root:
            self._open[call.result] = _Open(None)
        elif name := self._name(call.paths[0]):
            file = self._now.get(name)
            if file is None:
                file = self._now[name] = _File()
                self._pending.append(("", name, file))
            elif flags & os.O_TRUNC:
                file.cut(0)
            self._open[call.result] = _Open(file, 0, bool(flags & os.O_APPEND))

    def _write(self, call: Call) -> None:
        if call.args[0] == self._mark_fd:
            self.marks += call.result
            return
        place = self._open.get(call.args[0])
        if place is not None and place.file is not None:
            offset = len(place.file.now) if place.append else place.offset
            place.file.write(offset, call.data[: call.result])
            place.offset = offset + call.result

    def _pwrite64(self, call: Call) -> None:
        place = self._open.get(call.args[0])
        if place is not None and place.file is not None:
            place.file.write(call.args[3], call.data[: call.result])

    def _ftruncate(self, call: Call) -> None:
        place = self._open.get(call.args[0])
        if place is not None and place.file is not None:
            place.file.cut(call.args[1])

    def _fsync(self, call: Call) -> None:
        place = self._open.get(call.args[0])
        if place is None:
            return
        if place.file is not None:
            if self._syncs_files:
                place.file.sync()
        elif self._syncs_names:
            self._durable, self._pending = dict(self._now), []

    def _rename(self, call: Call) -> None:
        old, new = (self._name(path) for path in call.paths)
        if old and new:
            file = self._now.pop(old)
            self._now[new] = file
            self._pending.append((old, new, file))

    def _unlink(self, call: Call) -> None:
        if name := self._name(call.paths[0]):
            self._now.pop(name, None)
            self._pending.append((name, name, None))

    def _close(self, call: Call) -> None:
        self._open.pop(call.args[0], None)

    _fdatasync, _renameat, _renameat2, _unlinkat = _fsync, _rename, _rename, _unlink


def put(folder: Path, content: Folder) -> None:
    """Makes a folder that holds just this."""
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)
