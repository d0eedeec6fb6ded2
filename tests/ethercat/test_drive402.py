"""The emulated CiA 402 drive: its state automaton, stops, supervision, servo and motor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from fieldstack_ethercat.segment._native import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack_ethercat.drives.cia402 import HALT, Controlword, Mode, State, StatusBit, decode, state_of

CSP, CSV = Mode.CYCLIC_SYNCHRONOUS_POSITION, Mode.CYCLIC_SYNCHRONOUS_VELOCITY
REVOLUTION = 131072
STEP_S = 250e-6
STATES = list(State)
"""In the order of `enum fs_drive_state`."""


class Bench:
    """A drive, and what a master and an ESC do with it: setpoints each millisecond, steps of `step_s`."""

    def __init__(self, step_s: float = STEP_S) -> None:
        self.drive: Any = ffi.new("fs_drive *")
        self.step_s = step_s
        self.time_s = 0.0
        lib.fs_drive_init(self.drive)

    @property
    def state(self) -> State:
        return STATES[int(self.drive.state)]

    @property
    def velocity(self) -> float:
        """In revolutions a second."""
        return float(self.drive.velocity) / REVOLUTION

    def step(self, controlword: int | None = None, *, valid: bool = True) -> State:
        if controlword is not None:
            self.drive.controlword = controlword
        lib.fs_drive_step(self.drive, self.step_s, valid)
        self.time_s += self.step_s
        assert state_of(self.drive.statusword) is self.state
        return self.state

    def run(self, seconds: float, *, valid: bool = True) -> Iterator[float]:
        """Steps, yielding the velocity in revolutions a second after each."""
        for _ in range(round(seconds / self.step_s)):
            self.step(valid=valid)
            yield self.velocity

    def enable(self) -> None:
        for controlword in (0, Controlword.SHUTDOWN, Controlword.SWITCH_ON):
            self.step(controlword)
        self.drive.target_position = self.drive.position_actual
        assert self.step(Controlword.ENABLE_OPERATION) is State.OPERATION_ENABLED

    def command(self, target: float) -> None:
        """A position setpoint in counts, as the ESC delivers it."""
        self.drive.target_position = (round(target) + 2**31) % 2**32 - 2**31
        self.drive.setpoint_count += 1

    def drive_at(self, revolutions_s: float, acceleration: float = 100.0, seconds: float = 0.5) -> None:
        """Accelerates in CSP and goes on at that velocity."""
        target, velocity = float(self.drive.position_actual), 0.0
        for _ in range(round(seconds * 1000)):
            velocity = min(revolutions_s, velocity + acceleration * 1e-3)
            target += velocity * REVOLUTION * 1e-3
            self.command(target)
            for _ in range(round(1e-3 / self.step_s)):
                self.step()
        assert self.velocity == pytest.approx(revolutions_s, rel=0.02)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def in_state(state: State) -> Bench:
    """A drive that has got to `state`."""
    bench = Bench()
    if state is State.NOT_READY_TO_SWITCH_ON:
        return bench
    bench.step(0)
    if state is State.SWITCH_ON_DISABLED:
        return bench
    if state in (State.FAULT, State.FAULT_REACTION_ACTIVE, State.QUICK_STOP_ACTIVE):
        bench.enable()
        bench.drive_at(5.0, seconds=0.2)
        if state is State.QUICK_STOP_ACTIVE:
            bench.drive.quick_stop_option_code = 6
            bench.step(Controlword.QUICK_STOP)
            return bench
        lib.fs_drive_fault(bench.drive, 0x5400)
        while state is State.FAULT and bench.state is not State.FAULT:
            bench.step(0)
        return bench
    for controlword in (Controlword.SHUTDOWN, Controlword.SWITCH_ON, Controlword.ENABLE_OPERATION):
        if bench.step(controlword) is state:
            break
    return bench


TRANSITIONS = [
    (State.NOT_READY_TO_SWITCH_ON, 0x0000, State.SWITCH_ON_DISABLED, 1),
    (State.SWITCH_ON_DISABLED, Controlword.SHUTDOWN, State.READY_TO_SWITCH_ON, 2),
    (State.READY_TO_SWITCH_ON, Controlword.SWITCH_ON, State.SWITCHED_ON, 3),
    (State.READY_TO_SWITCH_ON, Controlword.ENABLE_OPERATION, State.SWITCHED_ON, 3),
    (State.SWITCHED_ON, Controlword.ENABLE_OPERATION, State.OPERATION_ENABLED, 4),
    (State.SWITCHED_ON, Controlword.SHUTDOWN, State.READY_TO_SWITCH_ON, 6),
    (State.READY_TO_SWITCH_ON, Controlword.DISABLE_VOLTAGE, State.SWITCH_ON_DISABLED, 7),
    (State.READY_TO_SWITCH_ON, Controlword.QUICK_STOP, State.SWITCH_ON_DISABLED, 7),
    (State.OPERATION_ENABLED, Controlword.SHUTDOWN, State.READY_TO_SWITCH_ON, 8),
    (State.OPERATION_ENABLED, Controlword.DISABLE_VOLTAGE, State.SWITCH_ON_DISABLED, 9),
    (State.SWITCHED_ON, Controlword.DISABLE_VOLTAGE, State.SWITCH_ON_DISABLED, 10),
    (State.SWITCHED_ON, Controlword.QUICK_STOP, State.SWITCH_ON_DISABLED, 10),
    (State.QUICK_STOP_ACTIVE, Controlword.DISABLE_VOLTAGE, State.SWITCH_ON_DISABLED, 12),
    (State.FAULT, Controlword.FAULT_RESET, State.SWITCH_ON_DISABLED, 15),
    (State.QUICK_STOP_ACTIVE, Controlword.ENABLE_OPERATION, State.OPERATION_ENABLED, 16),
]
"""State, controlword, next state, number of the transition (IEC 61800-7-201, figure 5)."""

STAYS = [
    (State.SWITCH_ON_DISABLED, Controlword.SWITCH_ON),
    (State.SWITCH_ON_DISABLED, Controlword.ENABLE_OPERATION),
    (State.SWITCH_ON_DISABLED, Controlword.DISABLE_VOLTAGE),
    (State.READY_TO_SWITCH_ON, Controlword.SHUTDOWN),
    (State.SWITCHED_ON, Controlword.SWITCH_ON),
    (State.OPERATION_ENABLED, Controlword.ENABLE_OPERATION),
    (State.QUICK_STOP_ACTIVE, Controlword.SWITCH_ON),
    (State.FAULT, Controlword.ENABLE_OPERATION),
    (State.FAULT, Controlword.DISABLE_VOLTAGE),
    (State.FAULT_REACTION_ACTIVE, Controlword.FAULT_RESET),
    (State.FAULT_REACTION_ACTIVE, Controlword.DISABLE_VOLTAGE),
]


@pytest.mark.parametrize(("state", "controlword", "next_state", "number"), TRANSITIONS)
def test_transitions(state: State, controlword: int, next_state: State, number: int) -> None:
    bench = in_state(state)
    assert bench.state is state
    assert bench.step(controlword) is next_state
    assert bench.drive.last_transition == number


@pytest.mark.parametrize(("state", "controlword"), STAYS)
def test_what_is_no_transition_changes_nothing(state: State, controlword: int) -> None:
    bench = in_state(state)
    count = bench.drive.transition_count
    assert bench.step(controlword) is state
    assert bench.drive.transition_count == count


@pytest.mark.parametrize("state", [state for state in State if state is not State.NOT_READY_TO_SWITCH_ON])
def test_a_fault_comes_through_in_every_state(state: State) -> None:
    bench = in_state(state)
    lib.fs_drive_fault(bench.drive, 0x3210)
    while bench.state is State.FAULT_REACTION_ACTIVE:
        bench.step()
    assert bench.state is State.FAULT
    assert bench.drive.last_transition == 14
    assert bench.drive.error_code == (
        0x5400 if state in (State.FAULT, State.FAULT_REACTION_ACTIVE) else 0x3210
    )


def test_disable_operation_slows_down_first(bench: Bench) -> None:
    bench.enable()
    bench.drive_at(5.0)
    assert bench.step(Controlword.SWITCH_ON) is State.OPERATION_ENABLED
    list(bench.run(0.1))
    assert bench.state is State.SWITCHED_ON
    assert bench.drive.last_transition == 5
    assert abs(bench.velocity) < 0.1


def test_statusword_bits(bench: Bench) -> None:
    bench.step(0)
    assert (
        bench.drive.statusword == StatusBit.SWITCH_ON_DISABLED | StatusBit.REMOTE | StatusBit.VOLTAGE_ENABLED
    )
    bench.enable()
    status = decode(bench.drive.statusword)
    assert status.follows_command
    assert status.target_reached
    assert not status.following_error
    lib.fs_drive_power(bench.drive, 0)
    assert bench.drive.statusword == 0


def test_fault_reset_needs_a_rising_edge() -> None:
    bench = in_state(State.FAULT)
    bench.drive.previous_controlword = Controlword.FAULT_RESET
    assert bench.step(Controlword.FAULT_RESET) is State.FAULT
    assert bench.step(0) is State.FAULT
    assert bench.step(Controlword.FAULT_RESET) is State.SWITCH_ON_DISABLED
    assert bench.drive.error_code == 0


# --- stops ---


def deceleration(velocities: list[float]) -> float:
    """In revolutions/s^2, between 80 % and 20 % of the first velocity."""
    begin = next(i for i, v in enumerate(velocities) if v < 0.8 * velocities[0])
    end = next(i for i, v in enumerate(velocities) if v < 0.2 * velocities[0])
    return (velocities[begin] - velocities[end]) / ((end - begin) * STEP_S)


@pytest.mark.parametrize("ramp", [50, 150, 400])
def test_quick_stop_slows_down_as_0x6085_says(bench: Bench, ramp: int) -> None:
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
def test_quick_stop_options(bench: Bench, option: int, ramp: float, stays: bool) -> None:
    bench.drive.quick_stop_option_code = option
    bench.enable()
    bench.drive_at(20.0)
    bench.step(Controlword.QUICK_STOP)
    velocities = list(bench.run(0.3))
    assert deceleration(velocities) == pytest.approx(ramp, rel=0.05)
    assert bench.state is (State.QUICK_STOP_ACTIVE if stays else State.SWITCH_ON_DISABLED)
    assert abs(bench.velocity) < 0.01


def test_quick_stop_option_0_takes_the_torque_away(bench: Bench) -> None:
    bench.drive.quick_stop_option_code = 0
    bench.enable()
    bench.drive_at(20.0)
    assert bench.step(Controlword.QUICK_STOP) is State.SWITCH_ON_DISABLED
    assert bench.velocity > 19.0
    assert bench.drive.torque == 0


def test_quick_stop_active_holds_against_a_load_and_can_be_left(bench: Bench) -> None:
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


def test_halt_slows_down_and_stays_enabled(bench: Bench) -> None:
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
def test_lost_process_data(bench: Bench, option: int, state: State, error: int, zeroed: bool) -> None:
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
def test_fault_reaction_slows_down_as_0x605e_says(bench: Bench, option: int, ramp: float) -> None:
    bench.drive.fault_reaction_option = option
    bench.enable()
    bench.drive_at(20.0)
    lib.fs_drive_fault(bench.drive, 0x7300)
    assert bench.step() is State.FAULT_REACTION_ACTIVE
    assert deceleration([bench.velocity, *bench.run(0.3)]) == pytest.approx(ramp, rel=0.05)
    assert bench.step() is State.FAULT


def test_power_off_lets_the_motor_coast_and_keeps_its_position(bench: Bench) -> None:
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


def test_a_setpoint_jump_is_a_following_error(bench: Bench) -> None:
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


def test_following_error_supervision_can_be_switched_off(bench: Bench) -> None:
    bench.drive.following_error_window = 0xFFFFFFFF
    bench.enable()
    start = bench.drive.position_actual
    bench.command(start + 20 * REVOLUTION)
    for _ in range(4000):
        bench.drive.setpoint_count += 1
        bench.step()
    assert bench.state is State.OPERATION_ENABLED
    assert bench.drive.position_actual == pytest.approx(start + 20 * REVOLUTION, abs=20)


def test_a_blocked_motor_is_a_following_error(bench: Bench) -> None:
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


def test_software_position_limit_acts_on_the_setpoint(bench: Bench) -> None:
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


# --- modes and motion ---


def test_modes(bench: Bench) -> None:
    assert bench.drive.supported_drive_modes == 1 << 7 | 1 << 8
    bench.drive.modes_of_operation = CSV
    bench.step()
    assert bench.drive.modes_of_operation_display == CSV
    for unsupported in (Mode.PROFILE_POSITION, Mode.HOMING, Mode.CYCLIC_SYNCHRONOUS_TORQUE, -1, 0):
        bench.drive.modes_of_operation = unsupported
        bench.step()
        assert bench.drive.modes_of_operation_display == CSV


def test_csv_follows_the_velocity_and_changes_to_csp_without_a_jump(bench: Bench) -> None:
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


def test_csv_is_limited_to_the_motors_speed(bench: Bench) -> None:
    bench.drive.modes_of_operation = CSV
    bench.drive.max_motor_speed = 600
    bench.enable()
    bench.drive.target_velocity = 50 * REVOLUTION
    assert max(bench.run(0.5)) < 10.5
    assert bench.velocity == pytest.approx(10.0, rel=0.01)
    assert decode(bench.drive.statusword).limited


def follow_sine(bench: Bench, period_s: float, seconds: float = 1.5) -> tuple[float, list[float]]:
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
    bench = Bench(step_s)
    bench.enable()
    worst, velocities = follow_sine(bench, 1e-3)
    assert bench.state is State.OPERATION_ENABLED
    assert worst < 400, "0.3 % of a revolution"
    assert max(velocities) == pytest.approx(2 * math.pi, rel=0.03)


@pytest.mark.parametrize("step_s", [2e-3, 5e-3, 20e-3])
def test_csp_tracks_a_sine_in_coarse_steps(step_s: float) -> None:
    bench = Bench(step_s)
    bench.drive.interpolation_time_value = round(step_s * 1000)
    bench.enable()
    worst, _ = follow_sine(bench, step_s)
    assert bench.state is State.OPERATION_ENABLED
    assert worst < 2000


def test_velocity_is_smooth_between_setpoints(bench: Bench) -> None:
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


def test_missing_setpoints_are_bridged_and_then_slow_the_motor_down(bench: Bench) -> None:
    bench.enable()
    bench.drive_at(20.0)
    bridged = list(bench.run(3e-3))
    assert min(bridged) > 19.5
    assert deceleration(list(bench.run(0.2))) == pytest.approx(300, rel=0.1)
    assert bench.state is State.OPERATION_ENABLED
    assert abs(bench.velocity) < 0.01


def test_position_wraps_as_a_32_bit_encoder_does(bench: Bench) -> None:
    bench.drive.position = 2.0**31 - REVOLUTION
    bench.step(0)
    bench.enable()
    bench.drive_at(10.0)
    assert bench.state is State.OPERATION_ENABLED
    assert bench.drive.position > 2.0**31
    assert bench.drive.position_actual < 0


@pytest.mark.parametrize("step_s", [50e-6, 125e-6, 1e-3, 7e-3, 20e-3])
def test_the_stop_is_the_same_in_steps_of_any_length(step_s: float) -> None:
    bench = Bench(step_s)
    bench.drive.modes_of_operation = CSV
    bench.enable()
    bench.drive.target_velocity = 20 * REVOLUTION
    list(bench.run(0.5))
    start = bench.drive.position
    bench.step(Controlword.QUICK_STOP)
    list(bench.run(0.2))
    assert (bench.drive.position - start) / REVOLUTION == pytest.approx(20**2 / 600, rel=0.05)


def test_a_step_is_bounded_and_tells_what_it_left_out(bench: Bench) -> None:
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
