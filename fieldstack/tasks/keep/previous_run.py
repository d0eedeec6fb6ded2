"""What an earlier process of this kind left in the shared memory: its checkpoint, and how far the cycle came.

The process reads it at its start; the restoration goes on from it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from fieldstack.tasks.keep.checkpoint import Saved, decode
from fieldstack.tasks.state.stored_task import StoredTask
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore, TornRecordError


@dataclass(frozen=True, slots=True)
class Played:
    """How far the cycle came: `memory` tells one shared memory from another; `tail`: None if not known."""

    memory: int
    tail: int | None


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """All that a process left: its checkpoint, how far the cycle came, and the task files.

    `held`: why tasks under way ask whatever they declare (the restore's verdict); empty: they do not.
    """

    saved: Saved
    played: Played
    stored: dict[str, StoredTask]
    held: str = ""


def read_saved(store: DataStore) -> Saved:
    """The newer of the last process's own record and the checkpoint, else the beginning."""
    found: list[Saved] = []
    for read in (store.core_status, store.checkpoint):
        with contextlib.suppress(TornRecordError):
            record = read()
            saved = decode(ffi.buffer(record.task)[: record.task_size])
            if saved is not None:
                found.append(saved)
    return max(found, key=lambda saved: saved.revision, default=Saved())


def read_played(store: DataStore) -> Played:
    """Setpoints that the cycle has taken, if it says so."""
    try:
        return Played(store.created_ns, int(store.rt_status().setpoint_tail))
    except TornRecordError:
        return Played(store.created_ns, None)


def last_epoch(store: DataStore) -> int:
    """Of the last process; 0: there was none, or it cannot be read."""
    try:
        return int(store.core_status().epoch)
    except TornRecordError:
        return 0
