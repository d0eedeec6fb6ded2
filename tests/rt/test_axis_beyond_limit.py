"""An axis beyond a position limit goes inwards, slowly, and nowhere else; no stop draws it there at once."""

from __future__ import annotations

import itertools

import pytest

from fieldstack_rt._native import lib
from fieldstack_rt.datastore.layout import AxisMode, Refusal, Stop
from tests.rt.test_axis import DT, Bench

LIMIT = 1_000_000
SLOW_COUNTS = 2.5
"""Of the bench's jog velocity in one cycle."""


@pytest.fixture(params=[1, -1], ids=["upper", "lower"])
def side(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def beyond(side: int, by: int = 5000) -> Bench:
    """Held under power where it coasted to."""
    bench = Bench()
    bench.position = side * (LIMIT + by)
    return bench.enabled()


def follow(bench: Bench, position: int, velocity: int = 0) -> Refusal:
    return Refusal(lib.fs_axis_follow(bench.axis, bench.config, position, velocity, DT))


def test_it_is_held_and_brought_back_step_by_step(side: int) -> None:
    bench = beyond(side, by=10)
    at = bench.position
    assert follow(bench, at) is Refusal.NONE
    while abs(at) > LIMIT - 10:
        at -= side * 2
        assert follow(bench, at, -side * 2000) is Refusal.NONE
    assert bench.axis.target == at


@pytest.mark.parametrize("out", [1, 2, 40])
def test_further_out_is_refused(side: int, out: int) -> None:
    bench = beyond(side)
    assert follow(bench, bench.position + side * out, side * out * 1000) is Refusal.LIMIT
    assert bench.axis.target == bench.position


def test_no_sequence_of_setpoints_creeps_outwards(side: int) -> None:
    """Where a stop left a broken count, the whole one that is told of it is accepted, once."""
    bench = beyond(side)
    bench.axis.target += side * 0.5
    accepted = [follow(bench, bench.position + side * step) for step in range(1, 6)]
    assert accepted == [Refusal.NONE, *[Refusal.LIMIT] * 4]


def test_on_the_way_back_it_is_slow_and_in_the_range_it_is_not(side: int) -> None:
    bench = beyond(side, by=20)
    assert follow(bench, bench.position - side * 8, 0) is Refusal.BEYOND_SPEED
    assert follow(bench, bench.position - side, -side * 8000) is Refusal.BEYOND_SPEED
    inside = beyond(side, by=-20)
    assert follow(inside, inside.position - side * 40, -side * 40_000) is Refusal.NONE


def test_the_other_end_of_the_range_is_no_way_back(side: int) -> None:
    bench = beyond(side)
    assert follow(bench, -bench.position) is Refusal.JUMP


@pytest.mark.parametrize("way", [1, -1], ids=["outwards", "inwards"])
def test_a_stop_beyond_the_limit_never_jumps(side: int, way: int) -> None:
    """Also of an axis that is caught while it still moves out there."""
    bench = beyond(side)
    bench.axis.velocity = way * side * 2_000.0
    targets = [bench.axis.target]
    while bench.axis.velocity:
        bench.step(stop=Stop.PERMIT)
        targets.append(bench.axis.target)
    steps = [abs(b - a) for a, b in itertools.pairwise(targets)]
    assert max(steps) <= 2.0
    assert bench.axis.state.state == AxisMode.HOLDING


def test_a_stop_that_begins_in_the_range_ends_in_it(side: int) -> None:
    bench = beyond(side, by=-50)
    bench.axis.velocity = side * 40_000.0
    while bench.axis.velocity:
        bench.step(stop=Stop.PERMIT)
    assert abs(bench.axis.target) == LIMIT


def test_power_back_beyond_the_limit_holds_it_where_it_is(side: int) -> None:
    bench = beyond(side)
    bench.statusword = 0x40
    bench.position += side * 300
    bench.step()
    assert bench.enabled().axis.state.target == bench.position
    assert bench.step().target == bench.position
