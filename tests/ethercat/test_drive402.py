"""The emulated CiA 402 drive: its state automaton."""

from __future__ import annotations

import pytest
from fieldstack_ethercat.segment._native import lib

from fieldstack_ethercat.drives.cia402 import Controlword, State, StatusBit, decode
from fieldstack_ethercat.testing.drive_bench import (
    DriveBench,
    in_state,
)


@pytest.fixture
def bench() -> DriveBench:
    return DriveBench()


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


def test_disable_operation_slows_down_first(bench: DriveBench) -> None:
    bench.enable()
    bench.drive_at(5.0)
    assert bench.step(Controlword.SWITCH_ON) is State.OPERATION_ENABLED
    list(bench.run(0.1))
    assert bench.state is State.SWITCHED_ON
    assert bench.drive.last_transition == 5
    assert abs(bench.velocity) < 0.1


def test_statusword_bits(bench: DriveBench) -> None:
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
