"""Counts of restarts in their own file: on a full disk, torn, and beside what earlier versions kept."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldstack.ha.checkpoint.durable_state import restore, to_record
from fieldstack.ha.checkpoint.restart_counts import FILE, RestartCounts
from fieldstack.ha.checkpoint.state_checkpoint import CheckpointReports, StateCheckpoint
from fieldstack.ha.decision.context.decision_state import RECORD_UNREADABLE, BudgetUse, DecisionState
from fieldstack.ha.model.facts import EstopFacts
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy import load_policy
from fieldstack_base.clock import boot_id
from fieldstack_base.counts_file import FILE_BYTES, SLOT_BYTES, CountsFile
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore

POLICY = load_policy(Path(__file__).parents[2] / "config/ha/failover_policy.json")
S = 10**9
WITHIN_S = 5.0


def record_of(
    *restarts: int, spent: str = "", now_ns: int = 100 * S, wall_ns: int = 1000 * S
) -> dict[str, Any]:
    state = DecisionState().with_budget(BudgetUse(ProcessName.RT, restarts, spent))
    return to_record(state, EstopFacts(), now_ns, wall_ns)


def use_of(record: dict[str, Any] | None, now_ns: int = 101 * S, wall_ns: int = 1001 * S) -> BudgetUse:
    return restore(record, POLICY, now_ns, wall_ns).budget(ProcessName.RT)


def counts_in(folder: Path) -> RestartCounts:
    return RestartCounts(folder, pytest.fail, lambda: None)


def filed(folder: Path, *records: dict[str, Any]) -> dict[str, Any]:
    """Each is on the disk before the next; the last one as the checkpoint keeps it."""
    counts, kept = counts_in(folder), {}
    for one in records:
        kept = counts.take(one)
        assert select.select([counts.fileno()], [], [], WITHIN_S)[0], "who waits is woken"
        os.eventfd_read(counts.fileno())
        assert counts.filed_ns == one["t_ns"]
    counts.close()
    return kept


# ---- the file ----


def test_all_of_the_file_is_there_from_the_first_save(tmp_path: Path) -> None:
    file = CountsFile(tmp_path, "r")
    for number in range(5):
        assert file.save({"n": number}) == number + 1
        found = (tmp_path / "r").stat()
        assert (found.st_size, found.st_blocks * 512) == (FILE_BYTES, FILE_BYTES)
        assert CountsFile(tmp_path, "r").load().data == {"n": number}
    inode = found.st_ino
    file.close()
    assert CountsFile(tmp_path, "r").save({"n": 5}) == 6
    assert (tmp_path / "r").stat().st_ino == inode, "the next life writes in place as well"


@pytest.mark.parametrize("kept", range(0, 80, 7))
def test_a_torn_slot_costs_the_count_that_was_not_told_to_be_saved(tmp_path: Path, kept: int) -> None:
    file = CountsFile(tmp_path, "r")
    for number in (1, 2, 3):
        file.save({"n": number, "text": "x" * 40})
    content = bytearray((tmp_path / "r").read_bytes())
    content[SLOT_BYTES + kept : SLOT_BYTES + 90] = os.urandom(90 - kept)
    (tmp_path / "r").write_bytes(content)
    again = CountsFile(tmp_path, "r")
    loaded = again.load()
    assert loaded.data is not None
    assert (loaded.data["n"], loaded.generation) == (2, 2)
    assert "slot 1 of r is not usable" in loaded.remarks[0]
    assert again.save({"n": 4}) == 3
    assert CountsFile(tmp_path, "r").load().remarks == ()


def test_what_does_not_fit_is_told_and_the_last_one_stays(tmp_path: Path) -> None:
    file = CountsFile(tmp_path, "r")
    file.save({"n": 1})
    with pytest.raises(ValueError, match="do not fit into a slot"):
        file.save({"n": "x" * SLOT_BYTES})
    assert CountsFile(tmp_path, "r").load().data == {"n": 1}


def test_a_file_with_holes_or_of_another_size_is_made_anew_around_its_count(tmp_path: Path) -> None:
    CountsFile(tmp_path, "r").save({"n": 1})
    with (tmp_path / "r").open("r+b") as file:
        file.truncate(SLOT_BYTES + 4096)
    assert CountsFile(tmp_path, "r").save({"n": 2}) == 2
    found = (tmp_path / "r").stat()
    assert (found.st_size, found.st_blocks * 512) == (FILE_BYTES, FILE_BYTES)
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


# ---- full disks ----


@contextlib.contextmanager
def small_disk(kind: str, base: Path) -> Iterator[Path]:
    folder = base / "small"
    folder.mkdir()
    if kind == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)], check=True)
    else:
        with (base / "image").open("wb") as image:
            image.truncate(8 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(base / "image")], check=True)
        subprocess.run(["mount", "-o", "loop", str(base / "image"), str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Not one block is left."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1024))
    with ballast.open("rb") as file:
        os.fsync(file.fileno())


DISKS = [
    "tmpfs",
    pytest.param(
        "ext4",
        marks=pytest.mark.skipif(
            shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists(),
            reason="needs mkfs.ext4 and loop devices",
        ),
    ),
]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")


@needs_root
@pytest.mark.parametrize("kind", DISKS)
def test_a_restart_counts_on_a_full_disk_and_over_a_reboot(tmp_path: Path, kind: str) -> None:
    """What is found afterwards is what was told to be on the disk, although no checkpoint could be."""
    store = DataStore.create(Instance(f"t-counts-{os.getpid()}"))
    with small_disk(kind, tmp_path) as folder:
        told: list[str] = []
        checkpoint = StateCheckpoint(store, folder, S, CheckpointReports(told.append), "p")
        checkpoint.restore()
        now_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        checkpoint.keep_ha(now_ns, record_of(now_ns=now_ns, wall_ns=wall_ns))
        until = time.monotonic() + WITHIN_S
        while not (checkpoint.counts.filed_ns and checkpoint.describe()["filed_ns"]):
            assert time.monotonic() < until
            time.sleep(0.005)
        fill(folder / "ballast")
        for number in range(1, 21):
            restarts = tuple(now_ns + at for at in range(number))
            checkpoint.keep_ha(now_ns + number, record_of(*restarts, now_ns=now_ns + number, wall_ns=wall_ns))
            while checkpoint.ha_filed_ns < now_ns + number:
                assert time.monotonic() < until, "its count is on the disk, and quickly"
                time.sleep(0.001)
        while not told:
            assert time.monotonic() < until
            time.sleep(0.005)
        checkpoint.close()
        assert set(told) == {"No space left on device"}, "the checkpoint, and once"
        assert checkpoint.count_failure == ""
        store.unlink()
        store = DataStore.create(store.instance)
        found = StateCheckpoint(store, folder, S, CheckpointReports(told.append), "p").restore()
        assert use_of(found.ha, now_ns + S, wall_ns + S).restarts == restarts
    store.unlink()


@needs_root
def test_a_disk_that_was_full_at_the_start_is_told_and_taken_as_soon_as_it_has_room(tmp_path: Path) -> None:
    with small_disk("tmpfs", tmp_path) as folder:
        fill(folder / "ballast")
        told: list[str] = []
        counts = RestartCounts(folder, told.append, lambda: told.append("back"))
        counts.take(record_of(90 * S))
        until = time.monotonic() + WITHIN_S
        while not counts.failure:
            assert time.monotonic() < until
            time.sleep(0.005)
        assert counts.filed_ns == 0
        (folder / "ballast").unlink()
        assert select.select([counts.fileno()], [], [], WITHIN_S)[0]
        counts.close()
        assert told == ["No space left on device", "back"]
        assert CountsFile(folder, FILE).load().data is not None


# ---- which of both counts ----


def test_the_file_counts_where_the_checkpoint_came_later_than_a_power_cut(tmp_path: Path) -> None:
    before = filed(tmp_path, record_of(90 * S))
    filed(tmp_path, before, record_of(90 * S, 99 * S))
    assert use_of(counts_in(tmp_path).join(before)).restarts == (90 * S, 99 * S)
    assert use_of(counts_in(tmp_path).join(None)).restarts == (90 * S, 99 * S)
    assert restore(counts_in(tmp_path).join(None), POLICY, 101 * S, 1001 * S).after_failure


def test_the_checkpoint_counts_where_the_file_did_not_take_it(tmp_path: Path) -> None:
    kept = filed(tmp_path, record_of(90 * S, spent="five times"))
    fresh = record_of() | {"counted": kept["counted"] + 1}
    assert use_of(counts_in(tmp_path).join(fresh)) == BudgetUse(ProcessName.RT)
    again = counts_in(tmp_path)
    again.join(fresh)
    assert again.take(record_of(99 * S))["counted"] == kept["counted"] + 2
    again.close()


def test_over_a_reboot_the_files_own_times_place_its_counts(tmp_path: Path) -> None:
    filed(tmp_path, record_of(90 * S))
    joined = counts_in(tmp_path).join(
        record_of(80 * S, now_ns=85 * S) | {"counted": 0, "boot": "another run"}
    )
    assert joined is not None
    joined["counts"] |= {"boot": "another run"}
    assert use_of(joined, 3 * S, 1020 * S).restarts == (-27 * S,)


def test_a_checkpoint_without_a_number_is_of_a_version_without_the_file(tmp_path: Path) -> None:
    """Decision 0039's code wrote it, before this version or after it: no count of either is forgotten."""
    old = record_of(80 * S, 90 * S)
    assert "counted" not in old
    assert use_of(counts_in(tmp_path).join(old)).restarts == (80 * S, 90 * S)
    filed(tmp_path, record_of(90 * S, 99 * S))
    assert use_of(counts_in(tmp_path).join(old)).restarts == (80 * S, 90 * S, 99 * S)


def test_equal_budgets_are_not_written_again(tmp_path: Path) -> None:
    counts = counts_in(tmp_path)
    first = counts.take(record_of(90 * S))
    assert counts.take(record_of(90 * S, now_ns=200 * S))["counted"] == first["counted"]
    counts.close()
    assert CountsFile(tmp_path, FILE).load().generation == 1


@pytest.mark.parametrize("damage", ["both slots", "newer format", "shape"])
def test_counts_that_can_not_be_read_wait_for_a_person(tmp_path: Path, damage: str) -> None:
    kept = filed(tmp_path, record_of(90 * S))
    if damage == "both slots":
        (tmp_path / FILE).write_bytes(os.urandom(FILE_BYTES))
    else:
        more = {"format": 2} if damage == "newer format" else {"budgets": 5}
        data = CountsFile(tmp_path, FILE).load().data
        assert data is not None
        CountsFile(tmp_path, FILE).save(data | {"boot": boot_id()} | more)
    state = restore(counts_in(tmp_path).join(kept), POLICY, 101 * S, 1001 * S)
    (waits,) = state.active_rules
    assert waits.key.rule == RECORD_UNREADABLE
    assert "the counts of restarts" in waits.cause
    assert state.budget(ProcessName.RT).restarts == (90 * S,), "what the checkpoint has of them"


def test_an_unreadable_checkpoint_keeps_the_counts(tmp_path: Path) -> None:
    filed(tmp_path, record_of(90 * S))
    state = restore(counts_in(tmp_path).join({"format": 9}), POLICY, 101 * S, 1001 * S)
    assert [one.key.rule for one in state.active_rules] == [RECORD_UNREADABLE]
    assert state.budget(ProcessName.RT).restarts == (90 * S,)
