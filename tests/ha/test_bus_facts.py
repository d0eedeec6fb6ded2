"""Slaves in OP and positions as RT's records tell them, with parts of the machine that may be lost."""

from __future__ import annotations

from typing import Any

import pytest

from fieldstack.ha.model.cell_map import CellMap, Part
from fieldstack.ha.model.facts import PositionCheck
from fieldstack.ha.monitor.bus_facts import all_in_op, displaced_groups_of, position_check
from fieldstack_rt._native import ffi

OP, SAFE_OP = 8, 4
TOOL = CellMap(parts=(Part(0b1100, frozenset({2, 3, 4}), "tool"),))
"""Of four axes on slaves 0 to 3, the last two and a terminal are a part that may be lost."""


def bus(*lost: int, states: dict[int, int] | None = None, elsewhere: int = 0) -> Any:
    record = ffi.new("fs_rt_bus *")
    record.read_ns, record.slave_count, record.axes_elsewhere = 1, 5, elsewhere
    for place in range(5):
        record.slaves[place].al_state = (states or {}).get(place, 0 if place in lost else OP)
        record.slaves[place].lost = int(place in lost)
    return record


def status(confirmed: int, lost: int = 0) -> Any:
    record = ffi.new("fs_rt_status *")
    record.axis_count, record.axes_confirmed, record.axes_lost = 4, confirmed, lost
    return record


@pytest.mark.parametrize(
    ("record", "cell", "expected"),
    [
        (bus(), TOOL, True),
        (bus(4), TOOL, True),
        (bus(2, 3, 4), TOOL, True),
        (bus(1), TOOL, False),
        (bus(1, 4), TOOL, False),
        (bus(states={4: SAFE_OP}), TOOL, False),
        (bus(4), CellMap(), False),
        (ffi.new("fs_rt_bus *"), TOOL, False),
    ],
)
def test_only_what_the_others_can_do_without_may_be_lost(record: Any, cell: CellMap, expected: bool) -> None:
    assert all_in_op(record, cell) is expected


_AGREE, _PENDING, _DIFFER = PositionCheck.AGREE, PositionCheck.PENDING, PositionCheck.DIFFER


@pytest.mark.parametrize(
    ("confirmed", "record", "expected"),
    [
        (0, bus(), _PENDING),
        (0b0011, bus(), _PENDING),
        (0b1111, bus(), _AGREE),
        (0b0001, bus(elsewhere=0b0010), _DIFFER),
        (0b0011, bus(elsewhere=0b0100), _AGREE),
        (0b0001, bus(elsewhere=0b0100), _PENDING),
        (0b1111, bus(elsewhere=0b0100), _AGREE),
        (0b0011, bus(4), _AGREE),
        (0b0001, bus(4), _PENDING),
        (0b0111, bus(0), _PENDING),
    ],
)
def test_positions_agree_once_rt_has_confirmed_every_axis_that_is_there(
    confirmed: int, record: Any, expected: PositionCheck
) -> None:
    assert position_check(status(confirmed), record, TOOL) is expected


def test_a_part_whose_axes_stand_elsewhere_is_told_alone() -> None:
    assert displaced_groups_of(status(0b0011), bus(elsewhere=0b0100), TOOL) == {"tool"}
    assert not displaced_groups_of(status(0b1111), bus(elsewhere=0b0100), TOOL), "confirmed since"
    assert not displaced_groups_of(status(0b0001), bus(elsewhere=0b0010), TOOL), "of no part"


def test_axes_that_are_told_lost_are_not_waited_for() -> None:
    assert position_check(status(0b0111, lost=0b1000), bus(), TOOL) is PositionCheck.AGREE


def test_damaged_counts_are_no_error() -> None:
    damaged, axes = bus(), status(0b1111)
    damaged.slave_count = axes.axis_count = 2**32 - 1
    assert not all_in_op(damaged, TOOL)
    assert position_check(axes, damaged, TOOL) is PositionCheck.PENDING
