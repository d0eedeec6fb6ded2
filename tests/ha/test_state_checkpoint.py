"""StateCheckpoint with a real shared memory and real files."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldstack.ha.checkpoint.restore_for_core import restore_for_core
from fieldstack.ha.checkpoint.restore_rules import RestoreMode
from fieldstack.ha.checkpoint.state_checkpoint import CheckpointReports, StateCheckpoint
from fieldstack.ha.model.facts import PositionCheck
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy import load_policy
from fieldstack.tasks.keep.task_store import TaskStore
from fieldstack.tasks.state.stored_task import StoredTask
from fieldstack_base.durable import DurableRecord
from fieldstack_base.instance import Instance
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import CoreState, RtPhase

S = 10**9
POLICY = Path(__file__).parents[2] / "config/ha/failover_policy.json"


@pytest.fixture
def store() -> Iterator[DataStore]:
    made = DataStore.create(Instance(f"t-check-{os.getpid()}"))
    yield made
    made.unlink()


def status(store: DataStore, *positions: int) -> Any:
    record = store.new("fs_rt_status")
    record.epoch, record.stream, record.axis_count = 3, 7, len(positions)
    record.axes_confirmed = (1 << len(positions)) - 1
    for axis, position in enumerate(positions):
        record.axes[axis].position = position
    return record


def task(store: DataStore, text: bytes, state: CoreState = CoreState.MOVING) -> None:
    record = store.core_status()
    record.state = state
    record.task, record.task_size = text, len(text)
    store.write_core_status(record)


def make(store: DataStore, folder: Path, plan: str = "p") -> tuple[StateCheckpoint, list[str]]:
    errors: list[str] = []
    return StateCheckpoint(store, folder, S, CheckpointReports(errors.append), plan), errors


def core_started(store: DataStore) -> None:
    record = store.core_status()
    record.epoch += 1
    store.write_core_status(record)


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
    checkpoint.keep(time.monotonic_ns(), status(store, 11, 22, -33))
    checkpoint.close()
    fresh = again(store)
    restored = make(fresh, tmp_path)[0].restore()
    assert (restored.generation, restored.remark) == (1, "from the file")
    assert restored.judgement.verdict is RestoreMode.GO_ON
    record = fresh.checkpoint()
    assert fresh.checkpoint_valid(record)
    assert list(record.position[0:3]) == [11, 22, -33]
    assert (int(record.axis_count), int(record.stream), bytes(ffi.buffer(record.task))[:1]) == (3, 7, b"t")
    assert errors == []


def test_another_policy_files_as_often_as_it_says(store: DataStore, tmp_path: Path) -> None:
    checkpoint, _ = make(store, tmp_path)
    shipped = load_policy(POLICY)
    rt = shipped.process(ProcessName.RT).model_copy(update={"checkpoint_interval_sec": 0.1})
    checkpoint.follow_policy(shipped.model_copy(update={"processes": [rt]}))
    for at, position in ((5.0, 1), (5.2, 2), (5.25, 3)):
        checkpoint.keep(round(at * S), status(store, position))
    checkpoint.close()
    fresh = again(store)
    make(fresh, tmp_path)[0].restore()
    assert fresh.checkpoint().position[0] == 2


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


def test_budgets_and_latches_are_of_the_same_record(store: DataStore, tmp_path: Path) -> None:
    checkpoint, _ = make(store, tmp_path)
    checkpoint.keep(5 * S, status(store, 11))
    checkpoint.keep_ha(5 * S, {"restarts": {"fieldstack-rt": [1, 2]}})
    checkpoint.close()
    assert make(store, tmp_path)[0].restore().ha == {"restarts": {"fieldstack-rt": [1, 2]}}
    fresh = again(store)
    restored = make(fresh, tmp_path)[0].restore()
    assert restored.ha == {"restarts": {"fieldstack-rt": [1, 2]}}
    assert fresh.checkpoint().position[0] == 11


def test_of_memory_and_file_the_newer_one_counts(store: DataStore, tmp_path: Path) -> None:
    checkpoint, _ = make(store, tmp_path)
    checkpoint.keep(5 * S, status(store, 1), changed=True)
    checkpoint.keep(6 * S, status(store, 2))
    checkpoint.close()
    restored = make(store, tmp_path)[0].restore()
    assert (restored.generation, restored.remark) == (2, "from shared memory")
    assert store.checkpoint().position[0] == 2


def test_damaged_memory_gives_way_to_the_file(store: DataStore, tmp_path: Path) -> None:
    checkpoint, _ = make(store, tmp_path)
    checkpoint.keep(5 * S, status(store, 1), changed=True)
    checkpoint.close()
    store.raw.checkpoint.position[0] = 99
    restored = make(store, tmp_path)[0].restore()
    assert "its checksum is wrong" in restored.remark
    assert store.checkpoint().position[0] == 1


@pytest.mark.parametrize(
    "extra", [b'{"origin":5}', b'{"origin":{"positions":["x"]}}', b'{"origin":{"wall_ns":[]}}']
)
def test_memory_of_another_shape_gives_way_to_the_file(
    store: DataStore, tmp_path: Path, extra: bytes
) -> None:
    checkpoint, _ = make(store, tmp_path)
    checkpoint.keep(5 * S, status(store, 1), changed=True)
    checkpoint.close()
    record = store.checkpoint()
    ffi.memmove(record.ha, extra, len(extra))
    record.ha_size = len(extra)
    store.write_checkpoint(record)
    restored = make(store, tmp_path)[0].restore()
    assert "its shape is not that of a checkpoint" in restored.remark
    assert store.checkpoint().position[0] == 1


def test_what_does_not_fit_into_the_memory_is_in_the_file(store: DataStore, tmp_path: Path) -> None:
    big = {"reasons": "x" * 5000}
    checkpoint, _ = make(store, tmp_path)
    checkpoint.keep_ha(5 * S, big)
    checkpoint.close()
    assert make(store, tmp_path)[0].restore().ha == big


def test_an_older_versions_budgets_are_taken_over_and_its_file_goes(store: DataStore, tmp_path: Path) -> None:
    DurableRecord(tmp_path, "ha-state").save({"restarts": {"fieldstack-rt": [5]}})
    DurableRecord(tmp_path, "checkpoint").save(
        {"generation": 7, "positions": [4], "task": "", "written_ns": 1}
    )
    checkpoint, _ = make(store, tmp_path)
    restored = checkpoint.restore()
    checkpoint.close()
    assert (restored.generation, restored.ha) == (7, {"restarts": {"fieldstack-rt": [5]}})
    assert not list(tmp_path.glob("ha-state*"))
    assert make(again(store), tmp_path)[0].restore().ha == {"restarts": {"fieldstack-rt": [5]}}


def test_a_newer_versions_checkpoint_is_refused_in_clear_words(store: DataStore, tmp_path: Path) -> None:
    DurableRecord(tmp_path, "checkpoint").save({"version": 3})
    judgement = make(store, tmp_path)[0].restore().judgement
    assert judgement.rule == "unreadable"
    assert "of version 3, this program reads up to 2: a newer version wrote it" in judgement.reason


@pytest.mark.parametrize("content", ["newer", "damaged"])
def test_what_can_not_be_read_is_kept_beside_what_is_saved(
    store: DataStore, tmp_path: Path, content: str
) -> None:
    record = DurableRecord(tmp_path, "checkpoint")
    for _ in range(2):
        record.save({"version": 3})
    if content == "damaged":
        for number in (0, 1):
            (tmp_path / f"checkpoint.{number}").write_bytes(b"damage %d" % number)
    before = {name: (tmp_path / name).read_bytes() for name in ("checkpoint.0", "checkpoint.1")}
    for _ in range(2):
        checkpoint, _ = make(store, tmp_path)
        judgement = checkpoint.restore().judgement
        assert "kept as checkpoint.0.unusable and checkpoint.1.unusable" in judgement.reason
        checkpoint._saver.close()  # cut off before anything is saved
        store = again(store)
    last, _ = make(store, tmp_path)
    last.restore()
    for number in range(3):
        last._file.save({"positions": [number], "task": ""})
    last.close()
    assert {name: (tmp_path / f"{name}.unusable").read_bytes() for name in before} == before
    assert make(again(store), tmp_path)[0].restore().judgement.rule != "unreadable"


def test_positions_of_another_bus_are_not_used(store: DataStore, tmp_path: Path) -> None:
    checkpoint, _ = make(store, tmp_path)
    checkpoint.restore()
    task(store, b"t")
    core_started(store)
    checkpoint.keep(5 * S, status(store, 11, 22))
    checkpoint.keep_ha(5 * S, {"a": 1})
    checkpoint.close()
    other, _ = make(store, tmp_path, "another bus")
    restored = other.restore()
    other.close()
    assert restored.judgement.rule == "other-bus"
    assert restored.ha == {"a": 1}
    assert store.checkpoint().axis_count == 0
    assert other.read()[0] == 0


def test_a_safe_initial_state_stays_until_something_is_started(store: DataStore, tmp_path: Path) -> None:
    checkpoint, _ = make(store, tmp_path)
    checkpoint.restore()
    core_started(store)
    checkpoint.keep(time.monotonic_ns(), status(store, 11))
    checkpoint.close()
    make(store, tmp_path, "another bus")[0].restore()
    told = restore_for_core(store)
    assert told is not None
    assert told.verdict is RestoreMode.SAFE_INITIAL_STATE
    assert make(store, tmp_path, "another bus")[0].restore().judgement.rule == "unresolved"
    core_started(store)
    assert restore_for_core(store) is None
    there, _ = make(store, tmp_path, "another bus")
    assert there.restore().judgement.rule == "other-bus", "nothing was taken on this one"
    there.keep(time.monotonic_ns(), status(store, 12))
    there.close()
    core_started(store)
    assert make(store, tmp_path, "another bus")[0].restore().judgement.rule == "go-on"


def worked(store: DataStore, folder: Path, **file: object) -> None:
    """A cell that has failed, with a task under way that goes on; `file`: its checkpoint says so."""
    TaskStore(folder).save(StoredTask("u", {"id": "one", "on_crash": "go_on"}, "me", 1))
    checkpoint, _ = make(store, folder)
    core_started(store)
    task(store, json.dumps(under_way("ready", 1)).encode())
    checkpoint.keep(time.monotonic_ns(), status(store, 11))
    checkpoint.close()
    record = DurableRecord(folder, "checkpoint")
    record.save((record.load().data or {}) | {"ha": {"ha": "OPERATIONAL"}} | file)


def under_way(phase: str, revision: int) -> dict[str, Any]:
    return {"v": 1, "rev": revision, "tasks": {"one": {"u": "u", "p": phase, "b": 1}}}


AGES: dict[str, tuple[str, dict[str, object]]] = {
    "other-bus": ("another bus", {}),
    "too-old": ("p", {"boot": "before", "wall_ns": time.time_ns() - 13 * 3600 * S}),
    "age-unknown": ("p", {"boot": "before", "wall_ns": time.time_ns() + 3600 * S}),
}


@pytest.mark.parametrize("rule", AGES)
def test_what_has_tasks_ask_outlives_power_ups_until_a_core_obeys(
    store: DataStore, tmp_path: Path, rule: str
) -> None:
    """And positions that were not taken again stay as old as they are, and of the bus that they are of."""
    plan, file = AGES[rule]
    worked(store, tmp_path, **file)
    for expected in (rule, "unresolved", "unresolved"):
        store = again(store)
        up, _ = make(store, tmp_path, plan)
        assert up.restore().judgement.rule == expected
        told = restore_for_core(store)
        assert told is not None
        assert told.tasks_ask
        up.keep_task(time.monotonic_ns())  # RT never comes to work, and no Core starts
        up.keep_ha(time.monotonic_ns(), {"ha": "RECOVERY"})
        up.close()
    assert make(again(store), tmp_path, "p")[0].restore().judgement.use_positions
    up, _ = make(store, tmp_path, plan)
    up.restore()
    core_started(store)
    task(store, json.dumps(under_way("asking", 2)).encode())
    up.keep_task(time.monotonic_ns())
    up.close()
    store = again(store)
    after, _ = make(store, tmp_path, plan)
    assert after.restore().judgement.rule == rule
    assert b"asking" in ffi.buffer(store.checkpoint().task)[:]
    core_started(store)
    task(store, json.dumps(under_way("ready", 3)).encode())
    after.keep(time.monotonic_ns(), status(store, 12), changed=True)
    after.close()
    assert make(again(store), tmp_path, plan)[0].restore().judgement.rule == "go-on"


def test_a_verdict_is_not_lost_where_rt_runs_on_before_a_core_is_there(
    store: DataStore, tmp_path: Path
) -> None:
    """Non-RT died between the starts of RT and of Core."""
    worked(store, tmp_path, boot="before", wall_ns=1)
    store = again(store)
    make(store, tmp_path)[0].restore()
    store.raw.rt_epoch, store.raw.rt_phase, store.raw.header.rt_pid = 1, RtPhase.CYCLING, os.getpid()
    adopted = DataStore.create(store.instance)
    judgement = make(adopted, tmp_path)[0].restore().judgement
    assert (judgement.rule, judgement.tasks_ask) == ("rt-ran-on", True)
    store.raw.rt_phase = RtPhase.STOPPED
    moved, _ = make(store, tmp_path)
    moved.restore()
    moved.compare(PositionCheck.DIFFER)
    moved.keep_ha(5 * S, {})
    told = restore_for_core(store)
    assert told is not None
    assert (told.rule, told.tasks_ask) == ("positions-differ", True)
    moved.close()


@pytest.mark.parametrize(("second", "rule"), [("ask", "all-tasks-ask"), ("go_on", "go-on")])
def test_what_tasks_declare_is_asked(store: DataStore, tmp_path: Path, second: str, rule: str) -> None:
    files = TaskStore(tmp_path)
    for number, (name, wish) in enumerate((("one", "ask"), ("two", second))):
        files.save(StoredTask(name, {"id": name, "on_crash": wish}, "me", number))
    checkpoint, _ = make(store, tmp_path)
    checkpoint.restore()
    core_started(store)
    under_way = {name: {"u": name, "p": "ready", "b": 1} for name in ("one", "two")}
    task(store, json.dumps({"v": 1, "tasks": under_way | {"three": {"u": "x", "p": "ready"}}}).encode())
    checkpoint.keep(time.monotonic_ns(), status(store, 1))
    checkpoint.close()
    judgement = make(again(store), tmp_path)[0].restore().judgement
    assert judgement.rule == rule
    assert "one" in judgement.reason


@pytest.mark.parametrize(
    ("last_word", "rule", "ended"),
    [("SHUTDOWN", "go-on", 1), ("OPERATIONAL", "all-tasks-ask", 0)],
    ids=["the cell went down", "it had come up again"],
)
def test_an_orderly_end_is_filed_and_asks_nobody(
    store: DataStore, tmp_path: Path, last_word: str, rule: str, ended: int
) -> None:
    """Whatever the axes do meanwhile; and a file that is of a cell at work tells of no end."""
    TaskStore(tmp_path).save(StoredTask("u", {"id": "one", "on_crash": "ask"}, "me", 1))
    checkpoint, _ = make(store, tmp_path)
    checkpoint.restore()
    core_started(store)
    under_way = {"v": 1, "end": 0, "tasks": {"one": {"u": "u", "p": "ready", "b": 1}}}
    task(store, json.dumps(under_way).encode())
    now_ns = time.monotonic_ns()
    checkpoint.keep(now_ns, status(store, 1))
    checkpoint.keep_ha(now_ns, {"ha": last_word})
    task(store, json.dumps(under_way | {"end": 1}).encode(), CoreState.STOPPED)
    checkpoint.keep_task(now_ns)
    checkpoint.close()
    fresh = again(store)
    assert make(fresh, tmp_path)[0].restore().judgement.rule == rule
    record = fresh.checkpoint()
    assert json.loads(ffi.buffer(record.task)[: record.task_size])["end"] == ended
    told = restore_for_core(fresh)
    assert told is not None
    assert not told.tasks_ask, "each does what it declares"


def test_positions_that_differ_change_the_verdict(store: DataStore, tmp_path: Path) -> None:
    told: list[str] = []
    first, _ = make(store, tmp_path)
    first.keep(time.monotonic_ns(), status(store, 1))
    first.close()
    reports = CheckpointReports(told.append, judged=lambda judgement: told.append(judgement.rule))
    checkpoint = StateCheckpoint(again(store), tmp_path, S, reports, "p")
    assert checkpoint.restore().judgement.verdict is RestoreMode.GO_ON
    checkpoint.compare(PositionCheck.PENDING)
    checkpoint.compare(PositionCheck.DIFFER)
    checkpoint.compare(PositionCheck.DIFFER)
    assert told == ["positions-differ"]
    assert checkpoint.describe()["restore"]["verdict"] == "safe initial state"
    checkpoint.close()


def test_a_file_is_stale_only_while_the_cell_works(store: DataStore, tmp_path: Path) -> None:
    """Told as 0 while it stands: what was stale when it stopped is so no longer."""
    checkpoint = StateCheckpoint(store, tmp_path, S, CheckpointReports(pytest.fail), "p")
    now_ns = time.monotonic_ns()
    checkpoint.keep(now_ns, status(store, 1))
    ages_s = [next(checkpoint.measures(now_ns + after_ns)).value for after_ns in (S - 1, 5 * S)]
    assert ages_s[0] > 0
    assert ages_s[1] == 0
    checkpoint.close()


def test_of_axes_that_are_lost_or_not_confirmed_the_positions_from_before_stay(
    store: DataStore, tmp_path: Path
) -> None:
    checkpoint, _ = make(store, tmp_path)
    checkpoint.keep(5 * S, status(store, 1, 2, 3))
    record = status(store, 11, 12, 13)
    record.axes_lost = 0b010
    checkpoint.keep(6 * S, record)
    assert list(store.checkpoint().position[0:3]) == [11, 2, 13]
    record = status(store, 21, 22, 23)
    record.axes_confirmed = 0b001
    checkpoint.keep(7 * S, record)
    assert list(store.checkpoint().position[0:3]) == [21, 2, 13]
    checkpoint.close()


@pytest.mark.parametrize(("taken", "stale"), [(True, False), (False, True)])
def test_positions_that_are_missed_while_axes_move_make_it_stale(
    store: DataStore, tmp_path: Path, taken: bool, stale: bool
) -> None:
    """However young the file is."""
    checkpoint, _ = make(store, tmp_path)
    now_ns = time.monotonic_ns()
    checkpoint.keep(now_ns - 60 * S, status(store, 1))
    checkpoint.keep_ha(now_ns, {})
    if taken:
        checkpoint.keep(now_ns, status(store, 2))
    else:
        checkpoint.keep_task(now_ns, moves=True)
    checkpoint.close()
    assert (next(checkpoint.measures(time.monotonic_ns())).value >= 60) is stale


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_is_told_once_tried_again_and_holds_up_nobody(store: DataStore, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], check=True)
    try:
        back, told = threading.Event(), list[str]()
        reports = CheckpointReports(told.append, back.set)
        checkpoint = StateCheckpoint(store, folder, 1, reports, "p")
        checkpoint.keep(5 * S, status(store, 1))
        until = time.monotonic() + 5
        while checkpoint.describe()["filed_ns"] == 0:
            assert time.monotonic() < until
            time.sleep(0.005)
        (folder / "ballast").write_bytes(bytes(16 * 4096 - 4096))
        for position in range(20):
            checkpoint.keep(6 * S + position, status(store, position))
            assert store.checkpoint().position[0] == position
        while not told:
            assert time.monotonic() < until
            time.sleep(0.005)
        measure = next(checkpoint.measures(6 * S + 100))
        assert (measure.subject, measure.detail) == ("checkpoint", "No space left on device")
        (folder / "ballast").unlink()
        assert back.wait(5)
        checkpoint.close()
        assert told == ["No space left on device"]
        data = DurableRecord(folder, "checkpoint").load().data
        assert data is not None
        assert data["positions"] == [19]
    finally:
        subprocess.run(["umount", str(folder)], check=True)
