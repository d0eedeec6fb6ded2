"""A stream has no jump, from its first setpoint to its rest, and knows which step is being played."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fieldstack.core.motion import Limits
from fieldstack.core.program import DemoProgram
from fieldstack.core.setpoint_stream import Setpoint, SetpointStream

LIMITS = (Limits(100_000, 1_000_000, 20_000_000),)
PROGRAM = DemoProgram(
    way_points=((0.0,), (10_000.0,), (-5_000.0,)),
    limits=LIMITS,
    io_bits=(8,),
    cycle_s=0.001,
    dwell_cycles=10,
)


def largest_jump(setpoints: list[Setpoint]) -> int:
    pairs = pairwise(setpoints)
    return max(abs(b.positions[0] - a.positions[0]) for a, b in pairs)


def test_it_begins_at_the_actual_position_and_moves_within_the_velocity_limit() -> None:
    stream = SetpointStream(PROGRAM, (777,), step=1)
    setpoints = stream.take(3000)
    assert setpoints[0].positions == (777,)
    assert setpoints[0].velocities == (0,)
    assert largest_jump(setpoints) <= 101
    assert not any(setpoint.last for setpoint in setpoints)


@pytest.mark.parametrize("taken", [0, 1, 50, 150, 400, 1111])
def test_a_stop_comes_to_rest_without_a_jump_wherever_it_begins(taken: int) -> None:
    stream = SetpointStream(PROGRAM, (0,), step=1)
    setpoints = stream.take(taken)
    stream.stop()
    while not stream.finished:
        setpoints += stream.take(100)
    assert setpoints[-1].last
    assert setpoints[-1].velocities == (0,)
    assert [setpoint.last for setpoint in setpoints].count(True) == 1
    assert len(setpoints) < 2 or largest_jump(setpoints) <= 101
    assert stream.take(10) == []


def test_the_step_follows_what_was_played_not_what_was_planned() -> None:
    stream = SetpointStream(PROGRAM, (0,), step=1)
    setpoints = stream.take(2000)
    arrived = next(n for n, setpoint in enumerate(setpoints) if setpoint.positions == (10_000,))
    assert stream.step_at(arrived) == 1
    leaving = next(n for n in range(arrived, 2000) if setpoints[n].positions < (10_000,))
    assert leaving - arrived >= PROGRAM.dwell_cycles
    assert stream.step_at(leaving) == 2


def test_a_program_continues_at_the_step_it_was_given() -> None:
    first = SetpointStream(PROGRAM, (0,), step=1).take(1000)
    lap_later = SetpointStream(PROGRAM, (0,), step=4).take(1000)
    assert [s.positions for s in first] == [s.positions for s in lap_later]


def test_one_output_is_lit_at_a_time_and_the_light_moves_with_the_axes() -> None:
    lights = [setpoint.io for setpoint in SetpointStream(PROGRAM, (0,), step=0).take(1000)]
    assert all(len(io) == 1 and io[0].bit_count() == 1 for io in lights)
    assert len(set(lights)) >= 4
