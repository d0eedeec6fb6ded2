"""Whether the axes stand where they were last known to be safe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fieldstack_ethercat.bus.plan import AxisOffsets, AxisPlan
from fieldstack_rt._native import lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.positions import (
    Difference,
    allowed_travel,
    checkpointed,
    differences,
    last_published,
)

AXIS = AxisPlan(
    name="x",
    slave=0,
    mode="csp",
    unit="mm",
    counts_per_unit=1000.0,
    position_min_counts=-1_000_000,
    position_max_counts=1_000_000,
    velocity_max_counts_s=100_000,
    acceleration_max_counts_s2=1_000_000,
    following_error_max_counts=500,
    quick_stop_deceleration_counts_s2=2_000_000,
    offsets=AxisOffsets(0, 2, 4, 8, 0, 2, 4, 8, 12, 14),
)


def test_an_axis_may_have_run_on_and_braked() -> None:
    assert allowed_travel(AXIS) == 2_500 + 10_000 + 500


@pytest.mark.parametrize("travel", [0, 13_000, -13_000])
def test_what_a_stop_can_have_done_is_no_difference(travel: int) -> None:
    assert differences([AXIS], [5_000], [5_000 + travel]) == []


@pytest.mark.parametrize("travel", [13_001, -13_001])
def test_more_than_that_is_one(travel: int) -> None:
    assert differences([AXIS], [5_000], [5_000 + travel]) == [Difference(0, travel, 13_000)]


def test_each_axis_has_its_own_allowance() -> None:
    slow = replace(AXIS, velocity_max_counts_s=1_000)
    found = differences([AXIS, slow], [0, 0], [5_000, 5_000])
    assert [item.axis for item in found] == [1]


def test_a_predecessors_last_cycle_is_a_record_of_positions(store: DataStore) -> None:
    assert last_published(store, 2) is None
    status = store.new("fs_rt_status")
    status.cycle, status.axis_count = 7, 2
    status.axes[0].position, status.axes[1].position = 11, -22
    lib.fs_block_write(store.raw, lib.FS_BLOCK_RT_STATUS, status)
    assert last_published(store, 2) == [11, -22]
    assert last_published(store, 3) is None


def test_records_that_their_writer_died_in_are_none(store: DataStore) -> None:
    lib.fs_block_tear(store.raw, lib.FS_BLOCK_RT_STATUS)
    lib.fs_block_tear(store.raw, lib.FS_BLOCK_CHECKPOINT)
    assert last_published(store, 2) is None
    assert checkpointed(store, 2) is None


def test_a_checkpoint_is_a_record_of_positions(store: DataStore) -> None:
    assert checkpointed(store, 1) is None
    record = store.new("fs_checkpoint")
    record.generation, record.axis_count = 1, 1
    record.position[0] = 99
    store.write_checkpoint(record)
    assert checkpointed(store, 1) == [99]
