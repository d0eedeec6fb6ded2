"""The axis as the cycle drives it: power-up, setpoints without jumps, controlled stops, stop categories."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import pytest

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.layout import AxisMode, Refusal, Stop

DT = 0.001
SWITCH_ON_DISABLED, READY, SWITCHED_ON, ENABLED, FAULT = 0x40, 0x21, 0x23, 0x27, 0x08
QUICK_STOP_ACTIVE = 0x07


class Bench:
    """One axis with a drive that says what the test wants it to say."""

    def __init__(self, *, category: int = 1) -> None:
        self.axis = ffi.new("fs_axis *")
        self.config = ffi.new(
            "fs_axis_config *",
            {
                "controlword": 0, "mode": 2, "target_position": 4, "target_velocity": 8,
                "statusword": 0, "mode_display": 2, "position": 4, "velocity": 8, "torque": 12,
                "error_code": 14, "operation_mode": 8, "stop_category": category,
                "deceleration": 100_000.0, "velocity_max": 50_000.0,
                "position_min": -1e6, "position_max": 1e6, "start_tolerance": 10.0,
                "velocity_beyond": 2_500.0,
            },
        )  # fmt: skip
        self.statusword, self.position = SWITCH_ON_DISABLED, 1000

    def step(
        self,
        *,
        stop: Stop = Stop.NONE,
        enable: bool = True,
        keep: bool = False,
        reset: int = 0,
        setpoint: int | None = None,
        stands: bool = False,
    ) -> Any:
        inputs = struct.pack("<HbxiihH", self.statusword, 8, self.position, 0, 0, 0)
        lib.fs_axis_read(self.axis, self.config, inputs)
        following = 0
        if setpoint is not None:
            velocity = int((setpoint - self.axis.target) / DT)
            following = lib.fs_axis_follow(self.axis, self.config, setpoint, velocity, DT) == 0
        demand = ffi.new("fs_axis_demand *", (stop, reset, int(enable), DT, int(keep), int(stands)))
        lib.fs_axis_step(self.axis, self.config, demand, following)
        return self.axis.state

    def enabled(self) -> Bench:
        self.statusword = ENABLED
        self.step()
        return self


def test_power_up_follows_the_drives_states() -> None:
    bench = Bench()
    words = []
    for status in (SWITCH_ON_DISABLED, READY, SWITCHED_ON, ENABLED):
        bench.statusword = status
        words.append(bench.step().controlword)
    assert words == [0x0006, 0x0007, 0x000F, 0x000F]
    assert bench.axis.state.state == AxisMode.HOLDING


def test_until_enabled_the_target_is_where_the_axis_stands() -> None:
    bench = Bench()
    for bench.position in (1000, 1500, 900):
        assert bench.step().target == bench.position


def test_a_drive_found_enabled_is_taken_over_where_it_stands() -> None:
    bench = Bench()
    bench.statusword, bench.position = ENABLED, -54_321
    assert bench.step().target == -54_321


def test_a_setpoint_that_would_jump_is_refused_and_changes_nothing() -> None:
    bench = Bench().enabled()
    before = bench.axis.target
    assert lib.fs_axis_follow(bench.axis, bench.config, 2000, 0, DT) == Refusal.JUMP
    assert bench.axis.target == before


def test_a_setpoint_beyond_the_limits_is_refused() -> None:
    bench = Bench()
    bench.position = 999_999
    bench.enabled()
    assert lib.fs_axis_follow(bench.axis, bench.config, 1_000_001, 0, DT) == Refusal.LIMIT


def test_a_controlled_stop_decelerates_as_configured_and_never_jumps() -> None:
    bench = Bench().enabled()
    target = 1000
    for _ in range(100):
        target += 40  # 40,000 counts/s
        bench.step(setpoint=target)
    velocities, targets = [], [bench.axis.target]
    while bench.axis.velocity:
        state = bench.step(stop=Stop.PERMIT)
        velocities.append(bench.axis.velocity)
        targets.append(bench.axis.target)
    assert state.state == AxisMode.HOLDING
    assert state.controlword == 0x000F
    drops = [a - b for a, b in zip([40_000.0, *velocities], velocities, strict=False)]
    assert max(drops) == pytest.approx(100.0)  # 100,000 counts/s^2 in 1 ms
    steps = [b - a for a, b in itertools.pairwise(targets)]
    assert all(0 <= step <= 40.001 for step in steps)
    assert len(velocities) == pytest.approx(400, abs=1)


def test_a_stop_across_the_end_of_the_counter_goes_on_at_its_other_end() -> None:
    bench = Bench()
    bench.position = 2**31 - 100
    bench.enabled()
    bench.axis.velocity = 40_000.0
    targets = [bench.step(stop=Stop.PERMIT).target for _ in range(400)]
    assert max(targets) > 2**31 - 100
    assert min(targets) < -(2**31) + 8_000
    steps = [(b - a) % 2**32 for a, b in itertools.pairwise(targets)]
    assert all(0 <= step <= 41 for step in steps)
    bench.position = 2**31 - 50
    assert bench.step().following_error == (targets[-1] - bench.position) % 2**32


@pytest.mark.parametrize(
    ("category", "status", "word"),
    [(0, ENABLED, 0x0000), (1, ENABLED, 0x0002), (1, QUICK_STOP_ACTIVE, 0x0002),
     (1, SWITCH_ON_DISABLED, 0x0000), (2, ENABLED, 0x0002)],
)  # fmt: skip
def test_emergency_stop_follows_the_stop_category(category: int, status: int, word: int) -> None:
    bench = Bench(category=category).enabled()
    bench.statusword = status
    state = bench.step(stop=Stop.ESTOP)
    assert (state.controlword, state.state) == (word, AxisMode.QUICK_STOP)


def test_after_an_emergency_stop_the_target_starts_where_the_axis_stands() -> None:
    bench = Bench().enabled()
    bench.step(setpoint=1010)
    bench.step(stop=Stop.ESTOP)
    bench.position = 1400
    assert bench.step(stop=Stop.ESTOP, stands=True).target == 1400


def test_until_it_stands_the_target_goes_along_the_ramp_that_is_expected() -> None:
    """So a motor that runs on shows as following error, whatever its drive says of its state."""
    bench = Bench().enabled()
    for number in range(1, 51):
        bench.step(setpoint=1000 + 40 * number)
        bench.position = 1000 + 40 * number
    states = []
    for bench.statusword in (ENABLED, *[QUICK_STOP_ACTIVE] * 450):
        bench.position += 40
        states.append((bench.step(stop=Stop.ESTOP).target, int(bench.axis.state.following_error)))
    assert states[0][0] == pytest.approx(3040, abs=1)
    assert states[-1][0] == pytest.approx(3000 + 40_000**2 / (2 * 100_000), rel=0.01)
    assert states[-1][1] == states[-1][0] - bench.position < -9000


@pytest.mark.parametrize(
    ("category", "stands", "word"), [(1, False, 0x02), (1, True, 0x00), (2, False, 0x02), (2, True, 0x02)]
)
def test_a_quick_stop_that_stands_keeps_power_in_category_2_alone(
    category: int, stands: bool, word: int
) -> None:
    bench = Bench(category=category).enabled()
    bench.statusword = QUICK_STOP_ACTIVE
    assert bench.step(stop=Stop.ESTOP, stands=stands).controlword == word


def test_category_2_is_left_under_power_and_without_a_jump() -> None:
    bench = Bench(category=2).enabled()
    bench.statusword, bench.position = QUICK_STOP_ACTIVE, 1234
    bench.step(stop=Stop.ESTOP, stands=True)
    state = bench.step(stands=True)
    assert (state.controlword, state.target) == (0x000F, 1234)
    words = [bench.step(stands=True).controlword for _ in range(300)]
    assert words[-1] == 0x0000, "a drive that does not know transition 16 goes by switch on disabled"


def test_a_quick_stop_at_work_is_not_cut_short_by_a_reset() -> None:
    bench = Bench().enabled()
    bench.statusword = QUICK_STOP_ACTIVE
    assert [bench.step(stands=stands).controlword for stands in (False, True)] == [0x02, 0x00]


def test_a_fault_is_reset_only_on_request_and_by_a_rising_edge() -> None:
    bench = Bench().enabled()
    bench.statusword = FAULT
    assert [bench.step().controlword for _ in range(3)] == [0, 0, 0]
    words = [bench.step(reset=1).controlword for _ in range(12)]
    assert words == [0x0000, *[0x0080] * 8, 0, 0, 0]
    assert bench.axis.state.state == AxisMode.FAULT


def test_a_reset_is_for_the_faults_that_are_there() -> None:
    """One that found nothing to reset, as at each enabling, clears no fault of later."""
    bench = Bench().enabled()
    bench.step(reset=1)
    bench.statusword = FAULT
    assert [bench.step(reset=1).controlword for _ in range(12)] == [0] * 12


def test_without_the_power_demand_a_standing_axis_is_switched_off() -> None:
    bench = Bench().enabled()
    assert bench.step(enable=False).controlword == 0x0006
    bench.statusword = READY
    assert bench.step(enable=False).controlword == 0x0000


def test_power_that_is_kept_until_all_axes_stand_is_not_given_anew() -> None:
    """An axis that sags once it is without power moves, too."""
    bench = Bench().enabled()
    assert bench.step(enable=False, keep=True).controlword == 0x000F
    for bench.statusword in (READY, SWITCH_ON_DISABLED):
        assert bench.step(enable=False, keep=True).controlword == 0x0000


def test_a_moving_axis_keeps_power_until_it_stands() -> None:
    bench = Bench().enabled()
    bench.step(setpoint=1010)
    assert bench.axis.velocity > 0
    assert bench.step(enable=False, stop=Stop.SHUTDOWN).controlword == 0x000F
