"""Which configured slaves are on the wire, where some are missing: never by guess. Pure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fieldstack_ethercat.bus.config.planning import plan_from_text
from fieldstack_ethercat.bus.config.slave_plan import SlavePlan
from fieldstack_ethercat.bus.master.late_slave import place_of
from fieldstack_ethercat.bus.master.slave_matching import match_slaves
from fieldstack_ethercat.bus.master.topology import FoundSlave

CELL = (Path(__file__).parents[2] / "config/ethercat/cell.yaml").read_text(encoding="utf-8")
DRIVE = plan_from_text(CELL).slaves[0]


def _planned(line: str) -> list[SlavePlan]:
    return [replace(DRIVE, position=at, product=ord(kind), revision=None) for at, kind in enumerate(line)]


def _found(line: str) -> list[FoundSlave]:
    return [FoundSlave(at, DRIVE.vendor, ord(kind), 1, kind) for at, kind in enumerate(line)]


@pytest.mark.parametrize(
    ("planned", "nonessential", "found", "expected"),
    [
        ("ddddi", (3, 4), "ddddi", ((0, 1, 2, 3, 4), 1)),
        ("ddddi", (3, 4), "ddd", ((0, 1, 2), 1)),
        ("ddddi", (3, 4), "dddd", ((0, 1, 2, 3), 1)),
        ("ddddi", (3, 4), "dddi", ((0, 1, 2, 4), 1)),
        ("dtdi", (1,), "ddi", ((0, 2, 3), 1)),
        ("ddddi", (3, 4), "dd", ((), 0)),
        ("ddddi", (3, 4), "dddx", ((), 0)),
        ("ddddi", (3,), "dddix", ((), 0)),
        ("ddddi", (2, 3), "dddi", ((0, 1, 2, 4), 2)),
        ("dd", (0, 1), "d", ((0,), 2)),
    ],
)
def test_only_one_way_to_fill_the_gaps_is_good(
    planned: str, nonessential: tuple[int, ...], found: str, expected: tuple[tuple[int, ...], int]
) -> None:
    assert match_slaves(_planned(planned), _found(found), nonessential) == expected


ADDRESSES = {0x1001 + at: at for at in range(5)}


@pytest.mark.parametrize(
    ("position", "line", "alike", "place"),
    [
        (3, [1, 2, 3, 0], {0, 1, 2}, 3),
        (4, [1, 2, 3, 0, 0], (), 4),
        (3, [1, 2, 3, 5], (), None),
        (3, [1, 2, 3, 0, 5], {0, 1, 2}, 3),
        (4, [1, 2, 3, 5], (), 3),
        (3, [1, 2, 0], (), 2),
        (3, [1, 2, 0], {2}, None),
        (2, [0, 0, 0, 0, 0], (), 2),
        (2, [0, 0], (), None),
    ],
)
def test_where_one_stands_that_has_no_address(
    position: int, line: list[int], alike: set[int], place: int | None
) -> None:
    """Numbers along the line are positions counted from 1; 0: no address."""
    addresses = [0x1000 + one if one else 0 for one in line]
    assert place_of(position, addresses, ADDRESSES, alike) == place
