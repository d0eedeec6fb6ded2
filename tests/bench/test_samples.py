"""Exact samples out of the cycle's ring."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.bench.harness.samples import SLOTS, SampleReader, timed
from fieldstack_base.instance import Instance
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import SampleFlag

MS = 1_000_000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataStore]:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path))
    made = DataStore.create(Instance(f"ts{os.getpid()}"))
    yield made
    made.unlink()


def run_cycle(store: DataStore, cycle: int, due_ns: int, wake_ns: int = 10_000, flags: int = 0) -> None:
    """Writes what the cycle thread writes at the end of a cycle."""
    statistics = store.raw.statistics
    sample = statistics.samples[statistics.sample_head % SLOTS]
    sample.cycle, sample.wake_ns, sample.exchange_ns = cycle, wake_ns, 20_000
    sample.wkc, sample.flags = 15, flags
    status = store.new("fs_rt_status")
    status.cycle, status.wake_ns, status.exchange_ns = cycle, wake_ns, 20_000
    status.cycle_ns = due_ns + wake_ns + 20_000
    lib.fs_block_write(store.raw, lib.FS_BLOCK_RT_STATUS, status)
    lib.fs_set64(ffi.addressof(statistics, "sample_head"), statistics.sample_head + 1)


def test_samples_are_drained_once_with_their_times(store: DataStore) -> None:
    reader = SampleReader(store, MS)
    for cycle in range(1, 6):
        run_cycle(store, cycle, cycle * MS)
    found = reader.drain()
    assert [(sample.cycle, sample.due_ns) for sample in found] == [(n, n * MS) for n in range(1, 6)]
    assert reader.drain() == []
    run_cycle(store, 6, 6 * MS, flags=SampleFlag.OP | SampleFlag.LOST)
    assert [(s.cycle, s.lost, s.late, s.in_op) for s in reader.drain()] == [(6, True, False, True)]


def test_samples_from_before_are_not_told(store: DataStore) -> None:
    run_cycle(store, 1, MS)
    assert SampleReader(store, MS).drain() == []


def test_the_ring_may_wrap(store: DataStore) -> None:
    reader = SampleReader(store, MS)
    store.raw.statistics.sample_head = SLOTS - 2
    reader._tail = SLOTS - 2
    for cycle in range(1, 6):
        run_cycle(store, cycle, cycle * MS)
    assert [sample.cycle for sample in reader.drain()] == [1, 2, 3, 4, 5]
    assert reader.missed == 0


def test_what_was_overwritten_unread_is_counted(store: DataStore) -> None:
    reader = SampleReader(store, MS)
    written = SLOTS + 100
    for cycle in range(1, written + 1):
        run_cycle(store, cycle, cycle * MS)
    found = reader.drain()
    assert reader.missed > 0
    assert len(found) + reader.missed == written
    assert found[-1].cycle == written


@given(st.lists(st.integers(0, 4 * MS), min_size=1, max_size=30))
def test_times_follow_the_cycle_over_skipped_periods(latencies: list[int]) -> None:
    """As `wake` in native/cycle.c does it: go on in phase, behind the periods that were slept through."""
    due, expected = 1000 * MS, []
    for latency in latencies:
        expected.append(due)
        due += (1 + latency // MS) * MS
    raw = [(number, latency, 1, 3, 0) for number, latency in enumerate(latencies)]
    assert [sample.due_ns for sample in timed(raw, expected[-1], MS)] == expected
