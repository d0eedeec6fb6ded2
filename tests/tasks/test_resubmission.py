"""Tasks on the disk: an id may be submitted again while the one before is still being written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fieldstack.tasks.keep.task_store import TaskStore
from fieldstack.tasks.state.stored_task import CallRecord, StoredTask

OLD = StoredTask("old", {"id": "weigh"}, "Ann", 1)
NEW = StoredTask("new", {"id": "weigh"}, "Ann", 2)
ENDED = {"state": "cancelled", "why": "", "run": 0}


def late_call(store: TaskStore) -> None:
    """Its function takes longer than the task lives."""
    with pytest.raises(OSError, match="submitted again"):
        store.note_call("weigh", OLD.uid, CallRecord((0, 0), ended=True))


def late_outcome(store: TaskStore) -> None:
    """The disk was full when it ended."""
    store.save(replace(OLD, outcome=ENDED))


def late_removal(store: TaskStore) -> None:
    """It was one of too many that ended."""
    store.forget([("weigh", OLD.uid)])


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("late", [late_call, late_outcome, late_removal])
def test_nothing_late_of_a_task_touches_the_next_one_of_its_id(
    tmp_path: Path, late: Callable[[TaskStore], None], restarted: bool
) -> None:
    store = TaskStore(tmp_path)
    store.save(OLD)
    store.note_call("weigh", OLD.uid, CallRecord((0, 0), ended=False))
    store.save(NEW)
    assert store.load() == {"weigh": NEW}, "a call of the one before is none of the next one"
    begun = CallRecord((0, 0), ended=False)
    store.note_call("weigh", NEW.uid, begun)
    if restarted:
        store = TaskStore(tmp_path)
        store.load()
    late(store)
    assert TaskStore(tmp_path).load() == {"weigh": replace(NEW, call=begun)}


def test_what_ended_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    store = TaskStore(tmp_path)
    store.save(OLD)
    store.note_call("weigh", OLD.uid, CallRecord((0, 0), ended=True))
    store.save(replace(OLD, outcome=ENDED))
    assert store.load()["weigh"].outcome == ENDED
    store.forget([("weigh", OLD.uid)])
    assert store.load() == {}
    with pytest.raises(OSError, match="not there any more"):
        store.note_call("weigh", OLD.uid, CallRecord((0, 0), ended=True))
    assert not list((tmp_path / "tasks").iterdir())
