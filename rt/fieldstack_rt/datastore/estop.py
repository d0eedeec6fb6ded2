"""EMERGENCY_STOP is a latch: anyone may set it, only Non-RT clears it. `DataStore.estop` is its handle.

All processes of a cell and `fieldstack estop` use it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.layout import EstopSource

REASON_BYTES = 111


class Clear(Enum):
    """What clears a latched source: a person's reset, or the end of its cause."""

    ON_RESET = 1
    ON_RECOVERY = 0


@dataclass(frozen=True, slots=True)
class EstopNote:
    """Who raised the stop last from this source, when (CLOCK_MONOTONIC ns), and why."""

    source: EstopSource
    t_ns: int
    pid: int
    reason: str


@dataclass(frozen=True, slots=True)
class EstopState:
    """The latch at one moment: a bit a source in each word, and the notes of the sources that are set."""

    on_reset: int
    on_recovery: int
    notes: tuple[EstopNote, ...]

    @property
    def latched(self) -> bool:
        return bool(self.on_reset or self.on_recovery)

    @property
    def word(self) -> int:
        """As RT acknowledges it in `fs_rt_status.estop_seen`."""
        return self.on_reset | self.on_recovery << 32

    def sources(self) -> tuple[EstopSource, ...]:
        both = self.on_reset | self.on_recovery
        return tuple(source for source in EstopSource if both >> source & 1)


_MORE = "…".encode()


def _kept(reason: str) -> bytes:
    text = reason.encode(errors="replace")
    if len(text) <= REASON_BYTES:
        return text
    return text[: REASON_BYTES - len(_MORE)].decode(errors="ignore").encode() + _MORE


_CLEAR = EstopState(0, 0, ())


class Estop:
    """The latch in a store's memory. Setting it is one atomic instruction: it cannot fail or wait."""

    def __init__(self, store: Any, mapping: object) -> None:
        """`mapping` is kept as long as this object: it holds the memory that `store` points into."""
        self._store, self._mapping = store, mapping

    def raise_(self, source: EstopSource, reason: str, *, until: Clear = Clear.ON_RESET) -> None:
        """Sets the latch, whatever the text is: `reason` is kept to 111 bytes of UTF-8, and more to `…`."""
        text = _kept(reason)
        lib.fs_estop_raise(self._store, source, until.value, os.getpid(), lib.fs_now_ns(), text)

    def clear(self, sources: Iterable[EstopSource], until: Clear) -> None:
        """Clears these sources in one word. For the Non-RT process alone."""
        lib.fs_estop_clear(self._store, sum(1 << source for source in set(sources)), until.value)

    def state(self) -> EstopState:
        word = int(lib.fs_estop_word(self._store))
        if not word:
            return _CLEAR
        on_reset, on_recovery = word & 0xFFFFFFFF, word >> 32
        both = on_reset | on_recovery
        notes = tuple(self._note(source) for source in EstopSource if both >> source & 1)
        return EstopState(on_reset, on_recovery, notes)

    def _note(self, source: EstopSource) -> EstopNote:
        note = self._store.estop.notes[source]
        text = ffi.string(note.reason).decode(errors="replace")
        return EstopNote(source, int(note.t_ns), int(note.pid), text)
