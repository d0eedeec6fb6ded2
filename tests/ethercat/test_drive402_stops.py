"""The emulated drive: quick stop, halt, lost process data, fault reaction; what it supervises."""

from __future__ import annotations

import pytest
from fieldstack_ethercat.segment._native import lib

from fieldstack_ethercat.drives.cia402 import HALT, Controlword, State, decode
from fieldstack_ethercat.testing.drive_bench import (
    REVOLUTION,
    STEP_S,
    DriveBench,
    deceleration,
    in_state,
)


@pytest.fixture
def bench() -> DriveBench:
    return DriveBench()


@pytest.mark.parametrize("ramp", [50, 150, 400])
def test_quick_stop_slows_down_as_0x6085_says(bench: DriveBench, ramp: int) -> None:
    bench.enable()
    bench.drive_at(20.0)
    bench.drive.quick_stop_deceleration = ramp * REVOLUTION
    start = bench.drive.position
    assert bench.step(Controlword.QUICK_STOP) is State.QUICK_STOP_ACTIVE
    assert decode(bench.drive.statusword).quick_stop
    velocities = list(bench.run(20.0 / ramp + 0.1))
    assert deceleration(velocities) == pytest.approx(ramp, rel=0.03)
    assert (bench.drive.position - start) / REVOLUTION == pytest.approx(20.0**2 / (2 * ramp), rel=0.03)
    assert bench.state is State.SWITCH_ON_DISABLED
    assert bench.drive.last_transition == 12
    assert bench.drive.torque == 0


@pytest.mark.parametrize(
    ("option", "ramp", "stays"),
    [(1, 100, False), (2, 300, False), (3, 2000, False), (5, 100, True), (6, 300, True), (7, 2000, True)],
)
def test_quick_stop_options(bench: DriveBench, option: int, ramp: float, stays: bool) -> None:
    bench.drive.quick_stop_option_code = option
    bench.enable()
    bench.drive_at(20.0)
    bench.step(Controlword.QUICK_STOP)
    velocities = list(bench.run(0.3))
    assert deceleration(velocities) == pytest.approx(ramp, rel=0.05)
    assert bench.state is (State.QUICK_STOP_ACTIVE if stays else State.SWITCH_ON_DISABLED)
    assert abs(bench.velocity) < 0.01


def test_quick_stop_option_0_takes_the_torque_away(bench: DriveBench) -> None:
    bench.drive.quick_stop_option_code = 0
    bench.enable()
    bench.drive_at(20.0)
    assert bench.step(Controlword.QUICK_STOP) is State.SWITCH_ON_DISABLED
    assert bench.velocity > 19.0
    assert bench.drive.torque == 0


def test_quick_stop_active_holds_against_a_load_and_can_be_left(bench: DriveBench) -> None:
    bench.drive.quick_stop_option_code = 6
    bench.enable()
    bench.drive_at(10.0)
    bench.step(Controlword.QUICK_STOP)
    list(bench.run(0.2))
    held = bench.drive.position
    bench.drive.load_torque = 0.8
    list(bench.run(0.5))
    assert abs(bench.drive.position - held) < 500
    bench.drive.target_position = bench.drive.position_actual
    assert bench.step(Controlword.ENABLE_OPERATION) is State.OPERATION_ENABLED


def test_halt_slows_down_and_stays_enabled(bench: DriveBench) -> None:
    bench.enable()
    bench.drive_at(10.0)
    bench.step(Controlword.ENABLE_OPERATION | HALT)
    assert not decode(bench.drive.statusword).follows_command
    assert deceleration(list(bench.run(0.2))) == pytest.approx(100, rel=0.03)
    assert bench.state is State.OPERATION_ENABLED
    assert decode(bench.drive.statusword).target_reached
    bench.command(bench.drive.position_actual)
    bench.step(Controlword.ENABLE_OPERATION)
    assert decode(bench.drive.statusword).follows_command


@pytest.mark.parametrize(
    ("option", "state", "error"),
    [
        (1, State.FAULT, 0x8130),
        (2, State.SWITCH_ON_DISABLED, 0),
        (3, State.SWITCH_ON_DISABLED, 0),
    ],
)
@pytest.mark.parametrize("zeroed", [False, True])
def test_lost_process_data(bench: DriveBench, option: int, state: State, error: int, zeroed: bool) -> None:
    bench.drive.abort_connection_option = option
    bench.enable()
    bench.drive_at(20.0)
    if zeroed:
        bench.drive.controlword = 0
        bench.drive.target_position = 0
    velocities = list(bench.run(0.2, valid=False))
    if option != 2:
        assert deceleration(velocities) == pytest.approx(300, rel=0.03), "the ramp is not cut short"
    else:
        assert velocities[0] > 19.0
        assert bench.drive.torque == 0
    assert (bench.state, bench.drive.error_code) == (state, error)
    list(bench.run(0.1))
    assert bench.state is state, "process data that come back do not set it in motion"


def test_operation_is_not_enabled_without_process_data() -> None:
    bench = in_state(State.SWITCHED_ON)
    for _ in range(5):
        assert bench.step(Controlword.ENABLE_OPERATION, valid=False) is State.SWITCHED_ON


@pytest.mark.parametrize(("option", "ramp"), [(1, 100), (2, 300), (3, 2000)])
def test_fault_reaction_slows_down_as_0x605e_says(bench: DriveBench, option: int, ramp: float) -> None:
    bench.drive.fault_reaction_option = option
    bench.enable()
    bench.drive_at(20.0)
    lib.fs_drive_fault(bench.drive, 0x7300)
    assert bench.step() is State.FAULT_REACTION_ACTIVE
    assert deceleration([bench.velocity, *bench.run(0.3)]) == pytest.approx(ramp, rel=0.05)
    assert bench.step() is State.FAULT


def test_power_off_lets_the_motor_coast_and_keeps_its_position(bench: DriveBench) -> None:
    bench.enable()
    bench.drive_at(20.0)
    bench.drive.quick_stop_deceleration = 1
    lib.fs_drive_power(bench.drive, 0)
    position = bench.drive.position
    assert next(bench.run(STEP_S, valid=False)) > 19.0
    list(bench.run(3.0, valid=False))
    assert bench.velocity == 0
    assert bench.drive.position > position + REVOLUTION
    lib.fs_drive_power(bench.drive, 1)
    assert bench.state is State.NOT_READY_TO_SWITCH_ON
    assert bench.drive.quick_stop_deceleration == 300 * REVOLUTION
    assert bench.drive.target_position == bench.drive.position_actual == round(bench.drive.position)


# --- supervision ---


def test_a_setpoint_jump_is_a_following_error(bench: DriveBench) -> None:
    bench.enable()
    bench.command(bench.drive.position_actual + 20 * REVOLUTION)
    states = [bench.step() for _ in range(36)]
    assert set(states) == {State.OPERATION_ENABLED}, "not before window and time-out have passed"
    assert decode(bench.drive.statusword).following_error
    list(bench.run(0.02))
    assert bench.drive.error_code == 0x8611
    list(bench.run(0.2))
    assert bench.state is State.FAULT
    assert decode(bench.drive.statusword).following_error
    assert abs(bench.velocity) < 0.1
    bench.step(0)
    bench.step(Controlword.FAULT_RESET)
    assert not decode(bench.drive.statusword).following_error


def test_following_error_supervision_can_be_switched_off(bench: DriveBench) -> None:
    bench.drive.following_error_window = 0xFFFFFFFF
    bench.enable()
    start = bench.drive.position_actual
    bench.command(start + 20 * REVOLUTION)
    for _ in range(4000):
        bench.drive.setpoint_count += 1
        bench.step()
    assert bench.state is State.OPERATION_ENABLED
    assert bench.drive.position_actual == pytest.approx(start + 20 * REVOLUTION, abs=20)


def test_a_blocked_motor_is_a_following_error(bench: DriveBench) -> None:
    bench.enable()
    bench.drive.coulomb_friction = 100.0
    target = float(bench.drive.position_actual)
    while bench.state is State.OPERATION_ENABLED and bench.time_s < 2:
        target += 0.005 * REVOLUTION
        bench.command(target)
        for _ in range(4):
            bench.step()
    assert bench.drive.error_code == 0x8611
    assert bench.velocity == 0


def test_software_position_limit_acts_on_the_setpoint(bench: DriveBench) -> None:
    start = bench.drive.position_actual
    bench.drive.software_position_limit_min = start - REVOLUTION
    bench.drive.software_position_limit_max = start + REVOLUTION
    bench.enable()
    for k in range(1000):
        bench.command(start + 2 * REVOLUTION * k / 1000)
        for _ in range(4):
            bench.step()
    assert decode(bench.drive.statusword).limited
    assert bench.drive.position_actual == pytest.approx(start + REVOLUTION, abs=50)
