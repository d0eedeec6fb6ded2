"""Keeps small records that survive crashes and power cuts: two generations with checksums.

The checkpoint, the alerts that are firing and the histories of processes are kept in such records.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fieldstack_base import bounded_json
from fieldstack_base.atomic_file import Sync, replace_file, sync_folder

FORMAT = 2
RETRY_S = 1.0
_SEAL = "seal"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The newest undamaged generation (`data` is None: there is none), and what was wrong with others."""

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
        replace_file(self._slot(generation), _encode(generation, data), sync=Sync.ALL)
        self._generation = generation
        return generation

    def load(self) -> Loaded:
        """The newest undamaged generation. Torn or damaged files are left out and reported."""
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

    def set_aside(self) -> list[str]:
        """Rename files that cannot be used, so that no save overwrites them; returns the new names."""
        kept: list[str] = []
        for number in (0, 1):
            slot = self._slot(number)
            aside = slot.with_name(f"{slot.name}.unusable")
            with contextlib.suppress(OSError):  # the files themselves stay until something is saved
                if slot.exists():
                    aside.unlink(missing_ok=True)
                    aside.hardlink_to(slot)
                    kept.append(aside.name)
        return kept

    def remove(self) -> None:
        """Delete both generations, because another record has what they held. Raises OSError."""
        for number in (0, 1):
            self._slot(number).unlink(missing_ok=True)
        sync_folder(self._folder)


def _encode(generation: int, data: dict[str, Any]) -> bytes:
    """One line of head, one of body. `crc` is the body's, `seal` that of the head before it."""
    body = json.dumps(data, separators=(",", ":")).encode()
    head = {"format": FORMAT, "generation": generation, "bytes": len(body), "crc": zlib.crc32(body)}
    head[_SEAL] = _seal(head)
    return json.dumps(head).encode() + b"\n" + body + b"\n"


def _seal(head: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps({key: head[key] for key in sorted(head) if key != _SEAL}).encode())


def _decode(content: bytes) -> tuple[int, dict[str, Any]]:
    """Generation and data. Format 1, of earlier versions, has no seal."""
    head_line, _, rest = content.partition(b"\n")
    head = bounded_json.loads(head_line)
    if not isinstance(head, dict) or type(head.get("format")) is not int:
        raise ValueError("unknown format")
    if head["format"] > FORMAT:
        raise ValueError(f"of format {head['format']}, which a newer version wrote; this one reads {FORMAT}")
    if head["format"] > 1 and head.get(_SEAL) != _seal(head):
        raise ValueError("damaged: the checksum of its head is wrong")
    size = head.get("bytes")
    if not isinstance(size, int) or len(rest) != size + 1:
        raise ValueError("torn: its length is not what it should be")
    body = rest[:size]
    if zlib.crc32(body) != head.get("crc"):
        raise ValueError("damaged: its checksum is wrong")
    data = bounded_json.loads(body)
    generation = head.get("generation")
    if not isinstance(data, dict) or type(generation) is not int:
        raise ValueError("damaged: its shape is wrong")
    return generation, data


class Saves(Protocol):
    """Something that can be saved: `save` returns when the data is on the disk, or raises the reason."""

    def save(self, data: dict[str, Any]) -> int: ...


class BackgroundSaver:
    """Saves a record in a thread: callers never wait for the disk, and only the latest value counts.

    A failed save is tried again until it works, or until there is a newer value. `on_error` gets the reason,
    once for each time that the disk begins to fail. `on_back` is called when the disk works again, and
    `on_saved` each time that something is on the disk. All are called in the thread.
    """

    def __init__(
        self,
        record: Saves,
        on_error: Callable[[str], None],
        on_back: Callable[[], None] | None = None,
        retry_s: float = RETRY_S,
        *,
        on_saved: Callable[[], None] | None = None,
    ) -> None:
        self._record = record
        self._on_error, self._on_back, self._on_saved = on_error, on_back, on_saved
        self._retry_s = retry_s
        self._changed = threading.Condition()
        self._waiting: dict[str, Any] | None = None
        self._closing = False
        self.failure = ""
        """Why saving fails at present; empty: it works."""
        self.saved_ns = 0
        """When the last save was on the disk, CLOCK_MONOTONIC; 0: none yet."""
        self.saved: dict[str, Any] | None = None
        """The newest value that is on the disk; None: none of this process."""
        self._thread = threading.Thread(target=self._run, name="saver", daemon=True)
        self._thread.start()

    def submit(self, data: dict[str, Any]) -> None:
        with self._changed:
            self._waiting = data
            self._changed.notify()

    def close(self, timeout_s: float = 2.0) -> bool:
        """Save what waits (bounded; one attempt) and end. False: the disk keeps the thread waiting for
        longer."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._waiting is None and not self._closing:
                    self._changed.wait()
                data, self._waiting = self._waiting, None
            if data is None or not (self._save(data) or self._again(data)):
                return

    def _save(self, data: dict[str, Any]) -> bool:
        try:
            self._record.save(data)
        except Exception as error:  # any error: the next value may be saved, so the thread continues
            failed_before, self.failure = self.failure, _why(error)
            if not failed_before:
                self._on_error(self.failure)
            return False
        self.saved_ns, self.saved = time.monotonic_ns(), data
        if self._on_saved:
            self._on_saved()
        if self.failure:
            self.failure = ""
            if self._on_back:
                self._on_back()
        return True

    def _again(self, data: dict[str, Any]) -> bool:
        """Wait, then save `data` again unless there is a newer value; False: the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, self._retry_s)
            if self._closing and self._waiting is None:
                return False
            self._waiting = self._waiting or data
        return True


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"
