"""The emulated drive: modes, setpoint interpolation, servo and motor."""

from __future__ import annotations

import math

import pytest
from fieldstack_ethercat.segment._native import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack_ethercat.drives.cia402 import Controlword, Mode, State, decode, state_of
from fieldstack_ethercat.testing.drive_bench import (
    REVOLUTION,
    STATES,
    DriveBench,
    deceleration,
)

CSP, CSV = Mode.CYCLIC_SYNCHRONOUS_POSITION, Mode.CYCLIC_SYNCHRONOUS_VELOCITY


@pytest.fixture
def bench() -> DriveBench:
    return DriveBench()


def test_modes(bench: DriveBench) -> None:
    assert bench.drive.supported_drive_modes == 1 << 7 | 1 << 8
    bench.drive.modes_of_operation = CSV
    bench.step()
    assert bench.drive.modes_of_operation_display == CSV
    for unsupported in (Mode.PROFILE_POSITION, Mode.HOMING, Mode.CYCLIC_SYNCHRONOUS_TORQUE, -1, 0):
        bench.drive.modes_of_operation = unsupported
        bench.step()
        assert bench.drive.modes_of_operation_display == CSV


def test_csv_follows_the_velocity_and_changes_to_csp_without_a_jump(bench: DriveBench) -> None:
    bench.drive.modes_of_operation = CSV
    bench.enable()
    for velocity in (5, 10, -10):
        bench.drive.target_velocity = velocity * REVOLUTION
        list(bench.run(0.2))
        assert bench.velocity == pytest.approx(velocity, rel=0.01)
        assert decode(bench.drive.statusword).target_reached
    bench.drive.target_velocity = 0
    list(bench.run(0.2))
    bench.drive.modes_of_operation = CSP
    bench.command(bench.drive.position_actual)
    assert max(abs(v) for v in bench.run(0.2)) < 0.02
    assert bench.state is State.OPERATION_ENABLED


def test_csv_is_limited_to_the_motors_speed(bench: DriveBench) -> None:
    bench.drive.modes_of_operation = CSV
    bench.drive.max_motor_speed = 600
    bench.enable()
    bench.drive.target_velocity = 50 * REVOLUTION
    assert max(bench.run(0.5)) < 10.5
    assert bench.velocity == pytest.approx(10.0, rel=0.01)
    assert decode(bench.drive.statusword).limited


def follow_sine(bench: DriveBench, period_s: float, seconds: float = 1.5) -> tuple[float, list[float]]:
    """1 Hz, two revolutions: the largest following error in counts, and the velocities in rev/s."""
    start, sent, worst = bench.drive.position_actual, -1, 0
    begin, velocities = bench.time_s, []
    while (now := bench.time_s - begin) < seconds:
        if int(now / period_s + 1e-9) > sent:
            sent += 1
            bench.command(start + REVOLUTION * (1 - math.cos(2 * math.pi * sent * period_s)))
        bench.step()
        worst = max(worst, abs(bench.drive.following_error_actual))
        velocities.append(bench.velocity)
    return worst, velocities


@pytest.mark.parametrize("step_s", [50e-6, 250e-6, 333e-6, 1e-3])
def test_csp_tracks_a_sine(step_s: float) -> None:
    bench = DriveBench(step_s)
    bench.enable()
    worst, velocities = follow_sine(bench, 1e-3)
    assert bench.state is State.OPERATION_ENABLED
    assert worst < 400, "0.3 % of a revolution"
    assert max(velocities) == pytest.approx(2 * math.pi, rel=0.03)


@pytest.mark.parametrize("step_s", [2e-3, 5e-3, 20e-3])
def test_csp_tracks_a_sine_in_coarse_steps(step_s: float) -> None:
    bench = DriveBench(step_s)
    bench.drive.interpolation_time_value = round(step_s * 1000)
    bench.enable()
    worst, _ = follow_sine(bench, step_s)
    assert bench.state is State.OPERATION_ENABLED
    assert worst < 2000


def test_velocity_is_smooth_between_setpoints(bench: DriveBench) -> None:
    bench.enable()
    bench.drive_at(20.0, seconds=1.0)
    target = float(bench.drive.target_position)
    velocities: list[float] = []
    for _ in range(300):
        target += 20.0 * REVOLUTION * 1e-3
        bench.command(target)
        for _ in range(4):
            bench.step()
            velocities.append(bench.velocity)
    assert max(velocities) - min(velocities) < 0.02 * 20.0


def test_missing_setpoints_are_bridged_and_then_slow_the_motor_down(bench: DriveBench) -> None:
    bench.enable()
    bench.drive_at(20.0)
    bridged = list(bench.run(20e-3))
    assert min(bridged) > 19.5
    assert deceleration(list(bench.run(0.2))) == pytest.approx(300, rel=0.1)
    assert bench.state is State.OPERATION_ENABLED
    assert abs(bench.velocity) < 0.01


def test_position_wraps_as_a_32_bit_encoder_does(bench: DriveBench) -> None:
    bench.drive.position = 2.0**31 - REVOLUTION
    bench.step(0)
    bench.enable()
    bench.drive_at(10.0)
    assert bench.state is State.OPERATION_ENABLED
    assert bench.drive.position > 2.0**31
    assert bench.drive.position_actual < 0


@pytest.mark.parametrize("step_s", [50e-6, 125e-6, 1e-3, 7e-3, 20e-3])
def test_the_stop_is_the_same_in_steps_of_any_length(step_s: float) -> None:
    bench = DriveBench(step_s)
    bench.drive.modes_of_operation = CSV
    bench.enable()
    bench.drive.target_velocity = 20 * REVOLUTION
    list(bench.run(0.5))
    start = bench.drive.position
    bench.step(Controlword.QUICK_STOP)
    list(bench.run(0.2))
    assert (bench.drive.position - start) / REVOLUTION == pytest.approx(20**2 / 600, rel=0.05)


def test_a_step_is_bounded_and_tells_what_it_left_out(bench: DriveBench) -> None:
    lib.fs_drive_step(bench.drive, 2.0, 1)
    assert bench.drive.time_s == pytest.approx(0.05)
    assert bench.drive.lost_time_s == pytest.approx(1.95)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from([0, 2, 6, 7, 15, 0x80, 0x10F]), st.integers(0, 0xFFFF)),
            st.sampled_from([0, 8, 9, 3]),
            st.integers(-(2**31), 2**31 - 1),
            st.booleans(),
            st.one_of(st.floats(-1, 0.06), st.just(math.nan)),
        ),
        max_size=60,
    )
)
def test_nothing_a_master_does_breaks_the_model(steps: list[tuple[int, int, int, bool, float]]) -> None:
    drive = ffi.new("fs_drive *")
    lib.fs_drive_init(drive)
    peak = 3 * drive.motor_rated_torque * 1e-3
    for controlword, mode, target, valid, dt_s in steps:
        before = STATES[drive.state]
        drive.controlword, drive.modes_of_operation = controlword, mode
        drive.target_position = drive.target_velocity = target
        lib.fs_drive_step(drive, dt_s, valid)
        state = STATES[drive.state]
        assert state_of(drive.statusword) is state
        assert math.isfinite(drive.position)
        assert abs(drive.velocity) < 300 * REVOLUTION
        assert abs(drive.torque) <= peak * 1.001
        assert state.power_on or drive.torque == 0
        if state is State.OPERATION_ENABLED and before is not State.OPERATION_ENABLED:
            assert valid
