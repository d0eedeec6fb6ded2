"""StateCheckpoint with a real shared memory and real files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldstack.ha.checkpoint.rule import Verdict
from fieldstack.ha.state_checkpoint import CheckpointReports, StateCheckpoint
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.instance import Instance

S = 10**9


@pytest.fixture
def store() -> Iterator[DataStore]:
    made = DataStore.create(Instance(f"t-check-{os.getpid()}"))
    yield made
    made.unlink()


def status(store: DataStore, *positions: int) -> Any:
    record = store.new("fs_rt_status")
    record.epoch, record.stream, record.axis_count = 3, 7, len(positions)
    for axis, position in enumerate(positions):
        record.axes[axis].position = position
    return record


def task(store: DataStore, text: bytes) -> None:
    record = store.new("fs_core_status")
    record.task, record.task_size = text, len(text)
    store.write_core_status(record)


def make(store: DataStore, folder: Path, plan: str = "p") -> tuple[StateCheckpoint, list[str]]:
    errors: list[str] = []
    return StateCheckpoint(store, folder, S, CheckpointReports(errors.append), plan), errors


def again(store: DataStore) -> DataStore:
    """As after a reboot: the shared memory is gone."""
    store.unlink()
    return DataStore.create(store.instance)


def test_a_new_cell_has_none(store: DataStore, tmp_path: Path) -> None:
    checkpoint, _ = make(store, tmp_path)
    restored = checkpoint.restore()
    assert (restored.generation, restored.remark, restored.ha) == (0, "there is none yet", None)
    assert restored.judgement.rule == "first-start"
    assert checkpoint.read()[0] == 0
    checkpoint.close()


def test_what_was_kept_is_in_shared_memory_at_once(store: DataStore, tmp_path: Path) -> None:
    checkpoint, _ = make(store, tmp_path)
    task(store, b'{"leg": 2}')
    checkpoint.keep(5 * S, status(store, 100, -200))
    record = store.checkpoint()
    assert store.checkpoint_valid(record)
    assert list(record.position[0:2]) == [100, -200]
    assert bytes(ffi.buffer(record.task))[: record.task_size] == b'{"leg": 2}'
    assert checkpoint.read() == (1, "2 axes, epoch 3")
    checkpoint.close()


def test_a_reboot_is_survived_by_the_file(store: DataStore, tmp_path: Path) -> None:
    checkpoint, errors = make(store, tmp_path)
    task(store, b"t")
    checkpoint.keep(5 * S, status(store, 11, 22, -33))
    checkpoint.close()
    fresh = again(store)
    restored = make(fresh, tmp_path)[0].restore()
    assert (restored.generation, restored.remark) == (1, "from the file")
    assert restored.judgement.verdict is Verdict.GO_ON
    record = fresh.checkpoint()
    assert fresh.checkpoint_valid(record)
    assert list(record.position[0:3]) == [11, 22, -33]
    assert (int(record.axis_count), int(record.stream), bytes(ffi.buffer(record.task))[:1]) == (3, 7, b"t")
    assert errors == []


def test_a_torn_file_falls_back_and_says_so(store: DataStore, tmp_path: Path) -> None:
    for position in (1, 2):
        checkpoint, _ = make(store, tmp_path)
        checkpoint.restore()
        checkpoint.keep(5 * S, status(store, position))
        checkpoint.close()
    newest = max(tmp_path.glob("checkpoint.?"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-9])
    fresh = again(store)
    restored = make(fresh, tmp_path)[0].restore()
    assert restored.generation < 4
    assert f"{newest.name} is not usable" in restored.remark
    assert fresh.checkpoint().position[0] == 1


def test_the_file_is_written_at_its_interval_and_on_changes(store: DataStore, tmp_path: Path) -> None:
    checkpoint, _ = make(store, tmp_path)
    filed: list[int] = []
    checkpoint._saver.submit = lambda data: filed.append(data["positions"][0])  # type: ignore[method-assign]
    now = 5 * S
    for position, later, changed in [
        (1, 0, False),
        (2, S // 2, False),
        (3, 1, True),
        (4, 1, False),
        (5, S, False),
    ]:
        now += later
        checkpoint.keep(now, status(store, position), changed=changed)
    assert filed == [1, 3, 5]
    task(store, b'{"leg": 3, "state": "new"}')
    checkpoint.keep(now + 1, status(store, 6))
    assert filed[-1] == 6
    checkpoint.close()


def test_a_disk_that_fails_is_told(store: DataStore, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    checkpoint, errors = make(store, folder)
    folder.rmdir()
    checkpoint.keep(5 * S, status(store, 1))
    checkpoint.close()
    assert errors == ["No such file or directory"]
    assert checkpoint.read()[0] == 1


def test_a_file_of_another_shape_is_no_checkpoint(store: DataStore, tmp_path: Path) -> None:
    checkpoint, _ = make(store, tmp_path)
    checkpoint._file.save({"positions": "many"})
    checkpoint.close()
    restored = make(store, tmp_path)[0].restore()
    assert restored.generation == 0
    assert restored.judgement.rule == "unreadable"
    assert "its shape is not that of a checkpoint" in restored.judgement.reason
