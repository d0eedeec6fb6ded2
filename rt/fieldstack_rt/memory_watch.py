"""Checks that the shared memory is still the instance's, and repairs its header. RT and Non-RT use it."""

from __future__ import annotations

import os

from fieldstack_rt._native import lib
from fieldstack_rt.datastore.store import DataStore

CHECK_PERIOD_NS = 100_000_000
"""A memory that was removed, replaced or cut is noticed within this time."""
_CHECKS_DAMAGED = 2
"""A header must be damaged in this many checks in a row before it is repaired, so that others see and report
it, too."""


class MemoryWatch:
    """`lost`: why the memory is the instance's no longer; empty: it is.
    Costs one stat(2) in each CHECK_PERIOD_NS.

    `pid_word`: the word of the header that says who this process is, `rt_pid` or `owner_pid`.
    """

    def __init__(self, store: DataStore, pid_word: str) -> None:
        self._store, self._pid_word = store, pid_word
        self._created_ns = store.created_ns
        self._next_ns = 0
        self._damaged = 0
        self.lost = ""
        self.repaired_magic: int | None = None
        """The magic in a damaged header that this check has repaired."""

    def check(self, now_ns: int) -> MemoryWatch:
        """Checks if it is time. The process that works on the memory knows its layout, so it repairs a
        damaged header."""
        self.repaired_magic = None
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + CHECK_PERIOD_NS
            self.lost = self._store.lost
            self._repair()
        return self

    def _repair(self) -> None:
        raw = self._store.raw
        header = bool(lib.fs_header_is_whole(raw)) and int(raw.header.created_ns) == self._created_ns
        mine = int(getattr(raw.header, self._pid_word)) == os.getpid()
        whole = header and mine and bool(lib.fs_identity_is_whole(raw))
        self._damaged = 0 if whole else self._damaged + 1
        if self._damaged >= _CHECKS_DAMAGED:
            self.repaired_magic = int(raw.header.magic)
            lib.fs_store_stamp(raw, self._created_ns)
            setattr(raw.header, self._pid_word, os.getpid())
            self._damaged = 0
