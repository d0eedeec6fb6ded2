"""The judge of motors' traces: ramps pass, jumps do not, and a stall excuses only its own time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fieldstack_ethercat.bus.config.axis_plan import AxisOffsets, AxisPlan
from fieldstack_ethercat.segment.truth import MotionSample
from fieldstack_ethercat.testing.motion_trace import MotionJumpError, check_smooth, gaps

MS = 1_000_000
AXIS = AxisPlan(
    name="x",
    slave=0,
    mode="csp",
    unit="mm",
    counts_per_unit=1000.0,
    position_min_counts=-(10**9),
    position_max_counts=10**9,
    velocity_max_counts_s=1_000_000,
    acceleration_max_counts_s2=5_000_000,
    following_error_max_counts=500,
    quick_stop_deceleration_counts_s2=5_000_000,
    offsets=AxisOffsets(0, 2, 4, 8, 0, 2, 4, 8, 12, 14),
)


def _trace(position: Callable[[float], float], count: int = 400) -> list[MotionSample]:
    """A sample a millisecond."""
    return [MotionSample(i, i * MS, position(i / 1000), 0.0, 0x1637) for i in range(count)]


def _ramp(t: float) -> float:
    """500,000 counts/s, and from 0.1 s on down along the axis's ramp to rest."""
    braked = min(max(t - 0.1, 0.0), 0.1)
    return 500_000 * (min(t, 0.1) + braked) - 2_500_000 * braked * braked


def _jump(t: float) -> float:
    return 0.0 if t < 0.2 else 20_000.0


def test_a_stop_along_the_ramp_is_smooth() -> None:
    assert check_smooth(AXIS, _trace(_ramp), []) > 300


def test_a_jump_is_found() -> None:
    with pytest.raises(MotionJumpError, match="axis x jumped"):
        check_smooth(AXIS, _trace(_jump), [])


def test_an_axis_that_is_too_fast_is_found() -> None:
    with pytest.raises(MotionJumpError, match="ran away"):
        check_smooth(AXIS, _trace(lambda t: 2_000_000 * t), [])


def test_a_jump_right_after_a_stall_is_the_machines() -> None:
    assert check_smooth(AXIS, _trace(_jump), [199 * MS]) > 200


def test_a_stall_at_another_time_excuses_nothing() -> None:
    with pytest.raises(MotionJumpError):
        check_smooth(AXIS, _trace(_jump), [50 * MS])


def test_missing_samples_are_a_stall() -> None:
    trace = [sample for sample in _trace(_jump) if not 196 * MS < sample.t_ns < 200 * MS]
    assert gaps(trace) == [200 * MS]
    check_smooth(AXIS, trace, [])
