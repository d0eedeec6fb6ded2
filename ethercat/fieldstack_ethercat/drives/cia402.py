"""CiA 402 drives: states, commands, modes, objects, as a master uses them (IEC 61800-7-201, ETG.6010).

Everything here is a pure function of the words on the wire, and nobody else decodes them in Python. Error
codes are in `cia402_errors`. The cycle (`axis.c`) and the virtual drive (`drive402.c`) have their own in C.
Status, probes, the planning and RT's slave restart use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag


class State(Enum):
    """States of the power drive system: mask of the statusword, and its value under that mask (table 30)."""

    NOT_READY_TO_SWITCH_ON = (0x004F, 0x0000)
    SWITCH_ON_DISABLED = (0x004F, 0x0040)
    READY_TO_SWITCH_ON = (0x006F, 0x0021)
    SWITCHED_ON = (0x006F, 0x0023)
    OPERATION_ENABLED = (0x006F, 0x0027)
    QUICK_STOP_ACTIVE = (0x006F, 0x0007)
    FAULT_REACTION_ACTIVE = (0x004F, 0x000F)
    FAULT = (0x004F, 0x0008)

    @property
    def mask(self) -> int:
        """The statusword's bits that show this state."""
        return int(self.value[0])

    @property
    def bits(self) -> int:
        """What those bits are in this state."""
        return int(self.value[1])

    @property
    def text(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def power_on(self) -> bool:
        """The power stage may act on the motor."""
        return self in _POWERED


_POWERED = frozenset({State.OPERATION_ENABLED, State.QUICK_STOP_ACTIVE, State.FAULT_REACTION_ACTIVE})


class StatusBit(IntFlag):
    """Bits of the statusword (0x6041); FOLLOWS_COMMAND and FOLLOWING_ERROR as CSP and CSV define them."""

    READY_TO_SWITCH_ON = 0x0001
    SWITCHED_ON = 0x0002
    OPERATION_ENABLED = 0x0004
    FAULT = 0x0008
    VOLTAGE_ENABLED = 0x0010
    QUICK_STOP = 0x0020
    """Low active: 0 while a quick stop is on."""
    SWITCH_ON_DISABLED = 0x0040
    WARNING = 0x0080
    REMOTE = 0x0200
    TARGET_REACHED = 0x0400
    INTERNAL_LIMIT = 0x0800
    FOLLOWS_COMMAND = 0x1000
    FOLLOWING_ERROR = 0x2000


class Controlword(IntEnum):
    """Commands in the controlword (0x6040, table 28)."""

    DISABLE_VOLTAGE = 0x0000
    QUICK_STOP = 0x0002
    SHUTDOWN = 0x0006
    SWITCH_ON = 0x0007
    ENABLE_OPERATION = 0x000F
    FAULT_RESET = 0x0080


HALT = 0x0100
"""Controlword bit 8, beside ENABLE_OPERATION."""
DISABLE_OPERATION = Controlword.SWITCH_ON
"""The same word; what it does depends on the state."""


class Mode(IntEnum):
    """Modes of operation (0x6060, 0x6061)."""

    NONE = 0
    PROFILE_POSITION = 1
    VELOCITY = 2
    PROFILE_VELOCITY = 3
    PROFILE_TORQUE = 4
    HOMING = 6
    INTERPOLATED_POSITION = 7
    CYCLIC_SYNCHRONOUS_POSITION = 8
    CYCLIC_SYNCHRONOUS_VELOCITY = 9
    CYCLIC_SYNCHRONOUS_TORQUE = 10


class Object(IntEnum):
    """Indexes of the profile's objects."""

    ABORT_CONNECTION_OPTION = 0x6007
    ERROR_CODE = 0x603F
    CONTROLWORD = 0x6040
    STATUSWORD = 0x6041
    QUICK_STOP_OPTION = 0x605A
    SHUTDOWN_OPTION = 0x605B
    DISABLE_OPERATION_OPTION = 0x605C
    HALT_OPTION = 0x605D
    FAULT_REACTION_OPTION = 0x605E
    MODES_OF_OPERATION = 0x6060
    MODES_OF_OPERATION_DISPLAY = 0x6061
    POSITION_DEMAND = 0x6062
    POSITION_ACTUAL = 0x6064
    FOLLOWING_ERROR_WINDOW = 0x6065
    FOLLOWING_ERROR_TIMEOUT = 0x6066
    VELOCITY_DEMAND = 0x606B
    VELOCITY_ACTUAL = 0x606C
    TARGET_TORQUE = 0x6071
    MAX_TORQUE = 0x6072
    TORQUE_DEMAND = 0x6074
    TORQUE_ACTUAL = 0x6077
    TARGET_POSITION = 0x607A
    SOFTWARE_POSITION_LIMIT = 0x607D
    MAX_MOTOR_SPEED = 0x6080
    PROFILE_DECELERATION = 0x6084
    QUICK_STOP_DECELERATION = 0x6085
    POSITION_OFFSET = 0x60B0
    VELOCITY_OFFSET = 0x60B1
    TORQUE_OFFSET = 0x60B2
    INTERPOLATION_TIME_PERIOD = 0x60C2
    FOLLOWING_ERROR_ACTUAL = 0x60F4
    DIGITAL_INPUTS = 0x60FD
    DIGITAL_OUTPUTS = 0x60FE
    TARGET_VELOCITY = 0x60FF
    SUPPORTED_DRIVE_MODES = 0x6502


@dataclass(frozen=True, slots=True)
class DriveStatus:
    """A statusword, decoded. `quick_stop`: a quick stop is on."""

    word: int
    state: State
    quick_stop: bool
    warning: bool
    target_reached: bool
    limited: bool
    follows_command: bool
    following_error: bool


def state_of(statusword: int) -> State:
    """The state; NOT_READY_TO_SWITCH_ON for a combination that the standard does not have."""
    for state in State:
        if statusword & state.mask == state.bits:
            return state
    return State.NOT_READY_TO_SWITCH_ON


def operation_enabled(statusword: int) -> bool:
    """The drive follows its setpoints, with power on the motor."""
    return state_of(statusword) is State.OPERATION_ENABLED


def decode(statusword: int) -> DriveStatus:
    """The statusword's meaning in CSP and CSV."""
    flags = StatusBit(statusword & 0x3EFF)
    state = state_of(statusword)
    return DriveStatus(
        word=statusword,
        state=state,
        quick_stop=state is State.QUICK_STOP_ACTIVE,
        warning=StatusBit.WARNING in flags,
        target_reached=StatusBit.TARGET_REACHED in flags,
        limited=StatusBit.INTERNAL_LIMIT in flags,
        follows_command=StatusBit.FOLLOWS_COMMAND in flags,
        following_error=StatusBit.FOLLOWING_ERROR in flags,
    )


_TOWARDS_ENABLED: dict[State, Controlword] = {
    State.NOT_READY_TO_SWITCH_ON: Controlword.DISABLE_VOLTAGE,
    State.SWITCH_ON_DISABLED: Controlword.SHUTDOWN,
    State.READY_TO_SWITCH_ON: Controlword.SWITCH_ON,
    State.SWITCHED_ON: Controlword.ENABLE_OPERATION,
    State.OPERATION_ENABLED: Controlword.ENABLE_OPERATION,
    State.QUICK_STOP_ACTIVE: Controlword.DISABLE_VOLTAGE,
    State.FAULT_REACTION_ACTIVE: Controlword.DISABLE_VOLTAGE,
    State.FAULT: Controlword.DISABLE_VOLTAGE,
}


def command_towards_enabled(state: State) -> Controlword:
    """The next command on the way to operation enabled.

    A fault is not reset by this: that is a decision of its own (FAULT_RESET, a rising edge of bit 7). A quick
    stop is left by way of switch on disabled.
    """
    return _TOWARDS_ENABLED[state]


def interpolation_period(cycle_time_ns: int) -> tuple[int, int]:
    """Values of 0x60C2:01 and :02 for a cycle time: so many times ten to the power of the index, in seconds.

    Raises ValueError for a time that this object cannot hold exactly.
    """
    for index in range(0, -10, -1):
        unit_ns = 10 ** (9 + index)
        value, rest = divmod(cycle_time_ns, unit_ns)
        if rest == 0 and 0 < value <= 255:
            return value, index
    raise ValueError(
        f"cycle time of {cycle_time_ns} ns: 0x60C2 holds 1 to 255 times a power of ten; choose such a time"
    )
