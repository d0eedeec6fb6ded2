"""Keeps a small record in one file of fixed size, so a save needs no free space and only one sync.

The checkpoint keeps the counts of restarts in it. The file has two slots of fixed size. Each holds a record
with its number and checksum; they are written in turn and in place. A torn write damages only its own slot. A
disk without a free block takes the write, but a file system that copies on write, such as btrfs, may refuse
it.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

from fieldstack_base import bounded_json
from fieldstack_base.atomic_file import Sync, replacing
from fieldstack_base.durable import Loaded

SLOT_BYTES = 65_536
FILE_BYTES = 2 * SLOT_BYTES
_MAGIC = b"fscount1"
_HEAD = struct.Struct("<8sQII")
"""Magic (its last byte is the format), number of the record (from 1), bytes of its body, and the CRC-32 of
number, length and body. A slot of zeros was never written."""
_SEALED = struct.Struct("<QI")


class CountsFile:
    """A JSON record in the file `NAME`; `save` and `load` as `DurableRecord`'s. One thread at a time."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        self._found = self.load()
        self._generation = self._found.generation
        self._number = -1

    def save(self, data: dict[str, Any]) -> int:
        """Overwrite the older slot and wait until it is on the disk. Raises OSError, or ValueError if it does
        not fit; the newer slot stays as it was."""
        generation = self._generation + 1
        content = _encode(generation, data)
        if self._number < 0:
            self._number = self._prepare()
        _write(self._number, content, _offset(generation))
        os.fdatasync(self._number)
        self._generation = generation
        return generation

    def load(self) -> Loaded:
        """The newest undamaged slot. Damaged slots are left out and reported. No file: no record."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return Loaded(None)
        except OSError as error:
            return Loaded(None, 0, (f"{self._path.name} is not usable ({error})",))
        remarks: list[str] = []
        found: list[tuple[int, dict[str, Any]]] = []
        for number in (0, 1):
            slot = content[number * SLOT_BYTES : (number + 1) * SLOT_BYTES]
            try:
                if slot.strip(b"\0"):
                    found.append(_decode(slot))
            except ValueError as error:
                remarks.append(f"slot {number} of {self._path.name} is not usable ({error})")
        generation, data = max(found, key=lambda one: one[0], default=(0, None))
        return Loaded(data, generation, tuple(remarks))

    def close(self) -> None:
        if self._number >= 0:
            os.close(self._number)
            self._number = -1

    def _prepare(self) -> int:
        """Open the file with all its blocks allocated: as it is, or made again with what it held."""
        with contextlib.suppress(FileNotFoundError):
            number = self._open()
            if _whole(number):
                return number
            os.close(number)
        return self._make()

    def _make(self) -> int:
        """Writes it under another name first, so that nobody finds half of it."""
        with replacing(self._path, sync=Sync.ALL) as file:
            os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
            file.write(self._content())  # written, not only reserved: later saves change no metadata
        return self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def _content(self) -> bytes:
        content = bytearray(FILE_BYTES)
        if self._found.data is not None:
            kept = _encode(self._found.generation, self._found.data)
            begin = _offset(self._found.generation)
            content[begin : begin + len(kept)] = kept
        return bytes(content)


def _whole(number: int) -> bool:
    """Whether it has the right size and no holes (a copy may have some)."""
    found = os.fstat(number)
    return found.st_size == FILE_BYTES and found.st_blocks * 512 >= FILE_BYTES


def _offset(generation: int) -> int:
    return generation % 2 * SLOT_BYTES


def _write(number: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        done = os.pwrite(number, view, offset)
        view, offset = view[done:], offset + done


def _encode(generation: int, data: dict[str, Any]) -> bytes:
    body = json.dumps(data, separators=(",", ":")).encode()
    if _HEAD.size + len(body) > SLOT_BYTES:
        raise ValueError(f"{len(body)} bytes do not fit into a slot of {SLOT_BYTES - _HEAD.size}")
    return _HEAD.pack(_MAGIC, generation, len(body), _crc(generation, body)) + body


def _crc(generation: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(_SEALED.pack(generation, len(body))))


def _decode(slot: bytes) -> tuple[int, dict[str, Any]]:
    if len(slot) < _HEAD.size:
        raise ValueError("torn: its length is not what it should be")
    magic, generation, size, crc = _HEAD.unpack_from(slot)
    if magic != _MAGIC:
        raise ValueError(f"it begins with {magic!r}, this version reads {_MAGIC!r}")
    body = slot[_HEAD.size : _HEAD.size + size]
    if len(body) != size or _crc(generation, body) != crc:
        raise ValueError("torn or damaged: its checksum is wrong")
    data = bounded_json.loads(body)
    if not isinstance(data, dict):
        raise ValueError("damaged: its shape is wrong")
    return generation, data
