"""Gives the verdict of the last restore to the Main Core process, from shared memory.

The StateCheckpoint stores it; Core asks at its start.
"""

from __future__ import annotations

import contextlib
from typing import Any

from fieldstack.ha.checkpoint.record import extra_of
from fieldstack.ha.checkpoint.restore_rules import Judgement, RestoreMode
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.memory import process_alive

NOBODY = -2


def addressee(store: DataStore) -> dict[str, int]:
    """What is stored with a verdict of this moment: the last Core's epoch. The verdict is for the next Core
    only, not for a later one and not for one that already runs."""
    with contextlib.suppress(TornRecordError):
        if process_alive(int(store.core_status().pid)):
            return {"core_epoch": NOBODY}
    return {"core_epoch": _core_epoch(store)}


def unresolved(store: DataStore, extra: dict[str, Any]) -> str:
    """Why the previous restore had tasks ask, if no Core was started since."""
    found = extra.get("restore")
    if not isinstance(found, dict) or found.get("core_epoch") != _core_epoch(store):
        return ""
    return str(extra.get("pending", ""))


def restore_for_core(store: DataStore) -> Judgement | None:
    """What a starting Core has to obey, before it first writes its status. None: it restarts after a failure
    of its own, while the cell was supervised; then each task does what it declares."""
    try:
        found = extra_of(store.checkpoint()).get("restore")
    except TornRecordError:
        return None
    if not isinstance(found, dict) or found.get("core_epoch") != _core_epoch(store):
        return None
    try:
        return Judgement(
            RestoreMode(found["verdict"]),
            str(found["rule"]),
            str(found["reason"]),
            bool(found["positions"]),
            bool(found["tasks_ask"]),
        )
    except (KeyError, ValueError):
        return None


def _core_epoch(store: DataStore) -> int:
    try:
        return int(store.core_status().epoch)
    except TornRecordError:
        return -1
