"""Whether the axes stand where they were last known to be safe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.axis_plan import AxisOffsets, AxisPlan
from fieldstack_rt._native import lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import RtPhase
from fieldstack_rt.positions import (
    Difference,
    allowed_travel,
    checkpointed,
    differences,
    last_published,
)
from tests.rt.rt_cell import RtCell, rt_cell, wait_for

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
    assert last_published(store, 2) == {}
    status = store.new("fs_rt_status")
    status.cycle, status.axis_count, status.axes_confirmed = 7, 2, 0b11
    status.axes[0].position, status.axes[1].position = 11, -22
    lib.fs_block_write(store.raw, lib.FS_BLOCK_RT_STATUS, status)
    assert last_published(store, 2) == {0: 11, 1: -22}
    assert last_published(store, 3) == {}


def test_where_an_axis_was_found_and_not_confirmed_is_no_record(store: DataStore) -> None:
    status = store.new("fs_rt_status")
    status.cycle, status.axis_count = 7, 3
    status.axes_confirmed, status.axes_lost = 0b101, 0b100
    status.axes[0].position = 11
    lib.fs_block_write(store.raw, lib.FS_BLOCK_RT_STATUS, status)
    assert last_published(store, 3) == {0: 11}


def test_records_that_their_writer_died_in_are_none(store: DataStore) -> None:
    lib.fs_block_tear(store.raw, lib.FS_BLOCK_RT_STATUS)
    lib.fs_block_tear(store.raw, lib.FS_BLOCK_CHECKPOINT)
    assert last_published(store, 2) == {}
    assert checkpointed(store, 2) is None


def test_a_checkpoint_is_a_record_of_positions(store: DataStore) -> None:
    assert checkpointed(store, 1) is None
    record = store.new("fs_checkpoint")
    record.generation, record.axis_count = 1, 1
    record.position[0] = 99
    store.write_checkpoint(record)
    assert checkpointed(store, 1) == [99]


# ---- a whole RT process ----

ALL = 0b1111


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance) as found:
        yield found


def _found(cell: RtCell) -> tuple[int, int]:
    """Axes that are confirmed, and those that are elsewhere, as the present RT process publishes them."""
    status = cell.store.rt_status()
    if status.epoch != cell.store.rt_epoch or cell.store.rt_phase is not RtPhase.CYCLING:
        return 0, 0
    return int(status.axes_confirmed), int(cell.store.rt_bus().axes_elsewhere)


def _as_after_a_power_cut(cell: RtCell, moved: int) -> None:
    """No RT process has published anything, and one axis stands elsewhere than the checkpoint says."""
    status, record = cell.store.rt_status(), cell.store.new("fs_checkpoint")
    cell.store.raw.rt_status.cycle = 0
    record.generation, record.axis_count = 1, len(cell.plan.axes)
    for number, axis in enumerate(cell.plan.axes):
        away = 10 * allowed_travel(axis) if number == moved else 0
        record.position[number] = status.axes[number].position + away
    cell.store.write_checkpoint(record)


@pytest.mark.system
def test_axes_that_stand_elsewhere_wait_for_a_person_over_restarts_of_rt(cell: RtCell) -> None:
    cell.stop_rt()
    _as_after_a_power_cut(cell, moved=1)
    for _ in range(2):
        cell.start_rt()
        wait_for(lambda: _found(cell) == (0, 0b0010), "RT finds the axis elsewhere")
        assert cell.stop_rt() == 0
    cell.start_rt()
    wait_for(lambda: _found(cell) == (0, 0b0010), "nothing was forgotten")
    cell.store.request_fault_reset()
    wait_for(lambda: _found(cell) == (ALL, 0), "a reset confirms where it is")
    cell.wait_until_free_to_move()
