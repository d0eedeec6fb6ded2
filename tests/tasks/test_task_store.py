"""Tasks on the disk when it fails: what was refused is not there, what cannot be read is not forgotten."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fieldstack.tasks.control.command_handler import TaskCommandHandler
from fieldstack.tasks.keep import task_store
from fieldstack.tasks.keep.task_store import TaskStore, UndecidedError
from fieldstack.tasks.state.stored_task import CallRecord, StoredTask
from fieldstack_base.atomic_file import sync_folder
from fieldstack_base.control.server import Command
from tests.tasks.bench_cell import BenchCell, declare, module_of

Make = Callable[..., BenchCell]
TASK = StoredTask("u", {"id": "t"}, "me", 1)


class FailingSync:
    """Stands in for the folder's fsync: the first `times` calls fail, as those of a disk with a bad block."""

    def __init__(self, times: int) -> None:
        self.left = times
        self._sync = sync_folder

    def __call__(self, folder: Path) -> None:
        self.left -= 1
        if self.left >= 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._sync(folder)


@pytest.mark.parametrize(("times", "error"), [(1, OSError), (2, UndecidedError)])
@pytest.mark.parametrize("before", [None, TASK])
def test_what_was_refused_is_not_there_for_the_next_process(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: StoredTask | None,
    times: int,
    error: type[OSError],
) -> None:
    store = TaskStore(tmp_path)
    if before is not None:
        store.save(before)
    monkeypatch.setattr(task_store, "sync_folder", FailingSync(times))
    with pytest.raises(OSError, match="Input/output error") as raised:
        store.save(replace(TASK, uid="refused"))
    assert raised.type is error
    assert TaskStore(tmp_path).load() == ({"t": before} if before else {})


@pytest.mark.parametrize(("times", "told"), [(1, "nothing was changed"), (2, "it may be there all the same")])
def test_a_person_is_told_what_is_known(
    cell: BenchCell, monkeypatch: pytest.MonkeyPatch, times: int, told: str
) -> None:
    class Now:
        @staticmethod
        def ask(work: Callable[[], object]) -> object:
            return work()

    handler = TaskCommandHandler(cell.executor, cell.calls, cell.files, Now(), room=8192, injector=None)  # type: ignore[arg-type]
    submit = Command(0, "submit", {"text": "{id: t, steps: [{wait: {ms: 5}}]}", "by": "Ann"})
    monkeypatch.setattr(task_store, "sync_folder", FailingSync(times))
    accepted, message, _ = handler.answer(submit)
    assert not accepted
    assert told in message
    cell.crash()
    assert not cell.executor.table.tasks


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(tmp_path)], check=True)
    try:
        store = TaskStore(tmp_path)
        with pytest.raises(OSError, match="No space left"):
            store.save(replace(TASK, by="x" * 32768))
        store.save(TASK)
        assert [path.name for path in (tmp_path / "tasks").iterdir()] == ["t.task.json"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_what_a_process_left_that_was_cut_off_is_cleared_away(tmp_path: Path) -> None:
    store = TaskStore(tmp_path)
    store.save(TASK)
    (tmp_path / "tasks" / "other.task.tmp").write_bytes(b"half")
    store.load()
    assert [path.name for path in (tmp_path / "tasks").iterdir()] == ["t.task.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"uid": "u"}', b'{"uid": "u", "run": "x"}', b"\xff"])
def test_a_call_record_that_can_not_be_read_counts_as_a_call_that_was_begun(
    tmp_path: Path, content: bytes
) -> None:
    store = TaskStore(tmp_path)
    store.save(TASK)
    store.note_call("t", "u", CallRecord((0, 1), ended=True))
    (tmp_path / "tasks" / "t.call.json").write_bytes(content)
    call = store.load()["t"].call
    assert call is not None
    assert call.damaged
    assert not store.remarks


def test_a_task_asks_whose_call_record_can_not_be_read(make_cell: Make, tmp_path: Path) -> None:
    seen: list[int] = []
    cell = make_cell(entries=module_of(weigh=lambda: seen.append(1)))
    cell.submit(declare("[{call: {name: weigh}}, {wait: {ms: 400}}]", on_crash="go_on"))
    cell.until(lambda: seen and cell.task().step == 1)
    (tmp_path / "tasks" / "t.call.json").write_bytes(b"damage")
    cell.crash()
    cell.run(20)
    assert (cell.task().phase, len(seen)) == ("asking", 1)
    assert "its call record cannot be read" in cell.task().why
    cell.commands.resume("t", by="Ann")
    cell.until(cell.ended)
    assert (cell.task().phase, len(seen)) == ("done", 1)
