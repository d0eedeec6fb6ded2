"""After the bus stood still its answers come all at once: none of them may pass for a new one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest

from fieldstack_base.instance import Instance
from tests.rt.rt_cell import RtCell, rt_cell, stop_segment, wait_for

DIO = 4
LAG_CYCLES = 16
"""SOEM's frame indexes return after so many: a stale answer is this old, or a multiple of it."""


@pytest.fixture
def cell(instance: Instance) -> Iterator[RtCell]:
    with rt_cell(instance) as found:
        yield found


def stall_segment(cell: RtCell, seconds: float) -> None:
    stop_segment(cell, seconds)
    wait_for(
        lambda: exchanges_well_since(cell, int(cell.store.rt_status().cycle)), "exchanges are well again"
    )


def exchanges_well_since(cell: RtCell, cycle: int) -> bool:
    """Some cycles have passed, and the last of them had the expected working counter."""
    wait_for(lambda: cell.store.rt_status().cycle >= cycle + LAG_CYCLES // 2, "cycles pass")
    return bool(cell.store.rt_status().bad_wkc_row == 0)


@pytest.mark.system
@pytest.mark.parametrize("stall_s", [0.02, 0.05, 0.08])
def test_inputs_are_fresh_after_a_stall(cell: RtCell, stall_s: float) -> None:
    stall_segment(cell, stall_s)
    for bits in (0x01, 0x82, 0x43, 0x24):
        cell.segment.client.set_inputs(DIO, bits)
        now = int(cell.store.rt_status().cycle)
        wait_for(partial(exchanges_well_since, cell, now), "a good exchange after the inputs changed")
        assert cell.store.rt_status().io_inputs[0] == bits


@pytest.mark.system
def test_a_stall_loses_no_frames_after_its_end(cell: RtCell) -> None:
    stall_segment(cell, 0.05)
    time.sleep(0.2)
    before = cell.store.rt_status()
    time.sleep(0.5)
    after = cell.store.rt_status()
    assert after.lost_frames - before.lost_frames < (after.cycle - before.cycle) / 10
