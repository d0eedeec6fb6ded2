"""CiA 402 as the master reads and commands it."""

from __future__ import annotations

import pytest
from fieldstack_ethercat.segment._native import ffi, lib
from hypothesis import given
from hypothesis import strategies as st

from fieldstack_ethercat.drives.cia402 import (
    Controlword,
    Mode,
    State,
    StatusBit,
    command_towards_enabled,
    decode,
    interpolation_period,
    state_of,
)
from fieldstack_ethercat.drives.cia402_errors import ERROR_TEXTS, error_text


@pytest.mark.parametrize(
    ("statusword", "state"),
    [
        (0x0250, State.SWITCH_ON_DISABLED),
        (0x0231, State.READY_TO_SWITCH_ON),
        (0x0233, State.SWITCHED_ON),
        (0x1637, State.OPERATION_ENABLED),
        (0x0217, State.QUICK_STOP_ACTIVE),
        (0x021F, State.FAULT_REACTION_ACTIVE),
        (0x0238, State.FAULT),
        (0x0218, State.FAULT),
        (0x0000, State.NOT_READY_TO_SWITCH_ON),
    ],
)
def test_states_of_usual_statuswords(statusword: int, state: State) -> None:
    assert state_of(statusword) is state


@given(st.integers(0, 0xFFFF))
def test_every_word_has_one_state(statusword: int) -> None:
    matching = [state for state in State if statusword & state.mask == state.bits]
    assert len(matching) <= 1
    assert decode(statusword).state is (matching[0] if matching else State.NOT_READY_TO_SWITCH_ON)


def test_flags_are_decoded() -> None:
    status = decode(0x0008 | StatusBit.FOLLOWING_ERROR | StatusBit.WARNING | StatusBit.INTERNAL_LIMIT)
    assert (status.state, status.following_error, status.warning, status.limited) == (
        State.FAULT,
        True,
        True,
        True,
    )
    assert not status.target_reached
    assert not status.follows_command
    assert decode(0x0007).quick_stop


def test_the_commands_lead_the_emulated_drive_to_operation_enabled() -> None:
    drive = ffi.new("fs_drive *")
    lib.fs_drive_init(drive)
    seen = []
    for _ in range(6):
        state = state_of(drive.statusword)
        seen.append(state)
        drive.controlword = command_towards_enabled(state)
        lib.fs_drive_step(drive, 1e-3, 1)
    assert seen[:5] == [
        State.NOT_READY_TO_SWITCH_ON,
        State.SWITCH_ON_DISABLED,
        State.READY_TO_SWITCH_ON,
        State.SWITCHED_ON,
        State.OPERATION_ENABLED,
    ]
    assert drive.modes_of_operation_display == Mode.CYCLIC_SYNCHRONOUS_POSITION


def test_a_fault_is_not_reset_on_the_way() -> None:
    assert not command_towards_enabled(State.FAULT) & Controlword.FAULT_RESET


def test_states_in_which_the_power_stage_may_act() -> None:
    assert {state for state in State if state.power_on} == {
        State.OPERATION_ENABLED,
        State.QUICK_STOP_ACTIVE,
        State.FAULT_REACTION_ACTIVE,
    }


@pytest.mark.parametrize(
    ("cycle_ns", "value"),
    [(1_000_000, (1, -3)), (250_000, (25, -5)), (125_000, (125, -6)), (4_000_000, (4, -3)), (10**9, (1, 0))],
)
def test_interpolation_period_of_a_cycle(cycle_ns: int, value: tuple[int, int]) -> None:
    assert interpolation_period(cycle_ns) == value


@given(st.integers(1, 10**9))
def test_interpolation_period_is_exact_or_refused(cycle_ns: int) -> None:
    holdable = any(cycle_ns % 10**n == 0 and cycle_ns // 10**n <= 255 for n in range(10))
    if not holdable:
        with pytest.raises(ValueError, match=str(cycle_ns)):
            interpolation_period(cycle_ns)
        return
    value, index = interpolation_period(cycle_ns)
    assert value * 10 ** (9 + index) == cycle_ns


def test_error_texts() -> None:
    assert all(ERROR_TEXTS.values())
    assert error_text(0x8611).startswith("Following error")
    assert error_text(0x8699) == "Monitoring error 0x8699: see the drive's manual"
    assert "Maker's own" in error_text(0xFF12)
