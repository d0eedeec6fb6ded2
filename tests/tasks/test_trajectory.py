"""Moves stay within their limits, arrive together and stop where they said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack.tasks.motion.trajectory import Limits, MotionError, MotionState, plan_move, plan_stop

CYCLE_S = 0.001
LIMITS = (Limits(100_000, 1_000_000, 20_000_000), Limits(50_000, 400_000, 8_000_000))
POSITION = st.floats(-200_000, 200_000)


@given(start=st.tuples(POSITION, POSITION), target=st.tuples(POSITION, POSITION))
@settings(max_examples=50, deadline=None)
def test_a_move_keeps_its_limits_and_ends_at_rest_at_the_target(
    start: tuple[float, float], target: tuple[float, float]
) -> None:
    move = plan_move(MotionState.at_rest(start), target, LIMITS, CYCLE_S)
    before = move.sample(0)
    for number in range(1, move.samples + 1):
        state = move.sample(number)
        for axis, limit in enumerate(LIMITS):
            assert abs(state.velocity[axis]) <= limit.velocity * 1.0001
            change = abs(state.velocity[axis] - before.velocity[axis]) / CYCLE_S
            assert change <= limit.acceleration * 1.0001
        before = state
    end = move.sample(move.samples)
    assert end.position == pytest.approx(target, abs=0.01)
    assert end.velocity == pytest.approx((0, 0), abs=0.01)


def test_axes_of_different_distance_arrive_together() -> None:
    move = plan_move(MotionState.at_rest((0, 0)), (100_000, 1_000), LIMITS, CYCLE_S)
    late = move.sample(move.samples - 20)
    assert late.position[0] != pytest.approx(100_000, abs=0.1)
    assert late.position[1] != pytest.approx(1_000, abs=0.001)


def test_a_stop_never_goes_past_the_move_it_ends() -> None:
    move = plan_move(MotionState.at_rest((0, 0)), (100_000, 30_000), LIMITS, CYCLE_S)
    for at in range(0, move.samples, 37):
        stop = plan_stop(move.sample(at), LIMITS, CYCLE_S)
        end = stop.sample(stop.samples)
        assert end.velocity == pytest.approx((0, 0), abs=0.01)
        assert all(
            0 <= value <= goal + 1 for value, goal in zip(end.position, (100_000, 30_000), strict=True)
        )


def test_an_impossible_limit_is_refused_and_shown() -> None:
    with pytest.raises(ValueError, match="above zero"):
        Limits(velocity=-1, acceleration=1, jerk=1)


def test_a_move_that_is_no_number_is_an_error_that_names_it() -> None:
    with pytest.raises(MotionError, match=r"no trajectory to .*nan"):
        plan_move(MotionState.at_rest((0, 0)), (float("nan"), 2.0), LIMITS, CYCLE_S)
