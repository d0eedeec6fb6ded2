"""RT's records: at work is shown once, torn is unknown, and the last good record counts for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.monitor.rt_records import KEPT_NS, RtRecords
from fieldstack_base.instance import Instance
from fieldstack_rt._native import lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import RtPhase

MS = 1_000_000
NOW = 10**12


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataStore]:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    instance = Instance(f"t-records-{os.getpid()}")
    instance.prepare()
    made = DataStore.create(instance)
    yield made
    made.unlink()


def cycles(store: DataStore, epoch: int, *, wkc: int = 12) -> None:
    """As a cycle thread of this epoch leaves the memory after an exchange."""
    store.raw.rt_epoch, store.raw.rt_phase = epoch, RtPhase.CYCLING
    status = store.new("fs_rt_status")
    status.epoch, status.cycle, status.wkc, status.expected_wkc = epoch, 1000, wkc, 12
    lib.fs_block_write(store.raw, lib.FS_BLOCK_RT_STATUS, status)
    bus = store.new("fs_rt_bus")
    bus.read_ns, bus.slave_count = 1, 1
    bus.slaves[0].al_state = 8
    store.write_rt_bus(bus)


def at_work(store: DataStore) -> RtRecords:
    records = RtRecords(store, CellMap())
    records.began(adopted=False)
    cycles(store, 1)
    records.read(NOW)
    assert records.at_work
    return records


def test_a_start_comes_to_work_with_its_own_first_record(store: DataStore) -> None:
    records = at_work(store)
    records.began(adopted=False)
    records.read(NOW + MS)
    assert not records.at_work, "that is its predecessor's"
    store.raw.rt_epoch, store.raw.rt_phase = 2, RtPhase.STARTING
    records.read(NOW + 2 * MS)
    assert (records.at_work, records.epoch) == (False, 2)
    cycles(store, 2)
    records.read(NOW + 3 * MS)
    assert records.at_work
    assert not records.is_after(1)
    assert records.is_after(2)


def test_one_that_was_there_before_is_adopted(store: DataStore) -> None:
    cycles(store, 5)
    records = RtRecords(store, CellMap())
    records.began(adopted=True)
    records.read(NOW)
    assert (records.at_work, records.epoch) == (True, 5)


@pytest.mark.parametrize("phase", [0, 1, 3, 4, 9, 0xFFFFFFFF])
def test_at_work_stays_whatever_the_phase_says(store: DataStore, phase: int) -> None:
    records = at_work(store)
    store.raw.rt_phase = phase
    records.read(NOW + MS)
    facts = records.facts(NOW + MS)
    assert (records.at_work, records.ending, records.released) == (True, False, False)
    assert (facts.cycling, facts.all_op, facts.wkc) == (True, True, 12)


@pytest.mark.parametrize("epoch", [0, 1, 2, 77, 2**50, 2**64 - 1])
def test_at_work_stays_whatever_the_epoch_says(store: DataStore, epoch: int) -> None:
    records = at_work(store)
    store.raw.rt_epoch = epoch
    records.read(NOW + MS)
    assert (records.at_work, records.epoch, records.facts(NOW + MS).all_op) == (True, 1, True)


@pytest.mark.parametrize("epoch", [0, 2, 77, 2**50, 2**64 - 1])
def test_a_damaged_epoch_does_not_hide_the_next_start(store: DataStore, epoch: int) -> None:
    records = at_work(store)
    store.raw.rt_epoch = epoch
    records.began(adopted=False)
    cycles(store, int(lib.fs_bus_next_epoch(store.raw)))
    records.read(NOW + MS)
    assert records.at_work


@pytest.mark.parametrize("block", [lib.FS_BLOCK_RT_STATUS, lib.FS_BLOCK_RT_BUS])
def test_torn_is_unknown_and_the_last_good_record_counts_for_a_while(store: DataStore, block: int) -> None:
    records = at_work(store)
    lib.fs_block_tear(store.raw, block)
    records.read(NOW + KEPT_NS)
    facts = records.facts(NOW + KEPT_NS)
    assert (records.at_work, facts.cycling, facts.all_op, facts.wkc) == (True, True, True, 12)
    late = NOW + KEPT_NS + MS
    records.read(late)
    facts = records.facts(late)
    assert (records.at_work, facts.cycling, facts.all_op, facts.wkc_good) == (True, True, False, False)
    assert "torn for 1001 ms" in facts.detail
    cycles(store, 1)
    records.read(late + MS)
    assert records.facts(late + MS).all_op, "its writer has mended it"


@pytest.mark.parametrize("value", [1, 2, 3, 4, 9, 2**64 - 1])
def test_an_end_is_its_own_token_and_nothing_else(store: DataStore, value: int) -> None:
    records = at_work(store)
    store.raw.rt_end = store.raw.rt_orderly_end = value
    assert (records.ending, records.released) == (False, False)
    store.raw.rt_end = lib.fs_end_token(1, lib.FS_END_ANNOUNCED)
    assert (records.ending, records.released) == (True, False)
    store.raw.rt_end = lib.fs_end_token(1, lib.FS_END_RELEASED)
    assert (records.ending, records.released) == (True, True)
    store.raw.rt_end = lib.fs_end_token(2, lib.FS_END_RELEASED)
    assert not records.ending, "another start's"


def test_words_of_nonrt_are_written_anew_where_they_were_damaged(store: DataStore) -> None:
    store.motion_permit, store.axes_blocked = False, 5
    assert store.rewrite_damaged_words() == ()
    store.raw.motion_permit, store.raw.axes_blocked = 77, 0
    assert not store.motion_permit, "a permit is one value, not any"
    assert set(store.rewrite_damaged_words()) == {"motion_permit", "axes_blocked"}
    assert (store.raw.motion_permit, store.axes_blocked) == (0, 5)
