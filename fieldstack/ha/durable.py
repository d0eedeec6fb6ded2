"""Small records that survive crashes and power cuts: two generations, checksummed, written atomically."""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldstack.events.segments import sync_folder

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found: the newest whole generation (`data` is None: none), and what was wrong with others."""

    data: dict[str, Any] | None
    generation: int = 0
    remarks: tuple[str, ...] = field(default=())


class DurableRecord:
    """A JSON record in the files `NAME.0` and `NAME.1`, written in turn.

    A write touches only the older file, through a temporary one (fsync, rename, fsync of the folder), so
    whatever happens in between, the newer generation stays whole.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._generation = self.load().generation

    def _slot(self, generation: int) -> Path:
        return self._folder / f"{self._name}.{generation % 2}"

    def save(self, data: dict[str, Any]) -> int:
        """Write the next generation and wait until it is on the disk. Raises OSError; old ones stay."""
        generation = self._generation + 1
        slot = self._slot(generation)
        fresh = self._folder / f"{self._name}.tmp"
        with fresh.open("wb") as file:
            file.write(_encode(generation, data))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(slot)
        sync_folder(self._folder)
        self._generation = generation
        return generation

    def load(self) -> Loaded:
        """The newest whole generation; torn or damaged files are passed over and told of."""
        remarks: list[str] = []
        found: list[tuple[int, dict[str, Any]]] = []
        for number in (0, 1):
            path = self._slot(number)
            try:
                found.append(_decode(path.read_bytes()))
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                remarks.append(f"{path.name} is not usable ({error})")
        if not found:
            return Loaded(None, 0, tuple(remarks))
        generation, data = max(found, key=lambda one: one[0])
        if remarks:
            remarks.append(f"generation {generation} is used")
        return Loaded(data, generation, tuple(remarks))


def _encode(generation: int, data: dict[str, Any]) -> bytes:
    body = json.dumps(data, separators=(",", ":")).encode()
    head = json.dumps(
        {"format": FORMAT, "generation": generation, "bytes": len(body), "crc": zlib.crc32(body)}
    )
    return head.encode() + b"\n" + body + b"\n"


def _decode(content: bytes) -> tuple[int, dict[str, Any]]:
    head_line, _, rest = content.partition(b"\n")
    head = json.loads(head_line)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ValueError("unknown format")
    size = head.get("bytes")
    if not isinstance(size, int) or len(rest) != size + 1:
        raise ValueError("torn: its length is not what it should be")
    body = rest[:size]
    if zlib.crc32(body) != head.get("crc"):
        raise ValueError("damaged: its checksum is wrong")
    data = json.loads(body)
    generation = head.get("generation")
    if not isinstance(data, dict) or not isinstance(generation, int):
        raise ValueError("damaged: its shape is wrong")
    return generation, data


class BackgroundSaver:
    """Saves a record in a thread: callers never wait for the disk, and only the latest value counts."""

    def __init__(self, record: DurableRecord, on_error: Callable[[str], None]) -> None:
        self._record = record
        self._on_error = on_error
        self._changed = threading.Condition()
        self._waiting: dict[str, Any] | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="saver", daemon=True)
        self._thread.start()

    def submit(self, data: dict[str, Any]) -> None:
        with self._changed:
            self._waiting = data
            self._changed.notify()

    def close(self, timeout_s: float = 2.0) -> None:
        """Save what waits (bounded) and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None and not self._closing:
                    self._changed.wait()
                data, self._waiting = self._waiting, None
            if data is None:
                return
            try:
                self._record.save(data)
            except OSError as error:
                self._on_error(error.strerror or str(error))
