"""The enumerations of native/layout.h for Python; their values come from the compiled header.

Every process that reads or writes the shared memory uses them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from fieldstack_rt._native import lib

MAX_AXES: int = lib.FS_MAX_AXES
MAX_SLAVES: int = lib.FS_MAX_SLAVES
"""The space in the memory: counts in a damaged memory may be higher."""
IO_BYTES: int = lib.FS_IO_BYTES
"""Bytes of slaves that are no axes, in one direction."""
NO_DC = -(2**31)
"""`fs_slave_state.dc_difference_ns` of a slave without distributed clock."""


def _mirror(name: str, prefix: str, members: str) -> Any:
    """An IntEnum with the header's values for `members`."""
    return IntEnum(
        name, {member: getattr(lib, prefix + member) for member in members.split()}, module=__name__
    )


if TYPE_CHECKING:

    class RtPhase(IntEnum):
        ABSENT, STARTING, CYCLING, STOPPING, STOPPED = range(5)

    class AxisMode(IntEnum):
        DISABLED, ENABLING, HOLDING, FOLLOWING, RAMPING, QUICK_STOP, FAULT = range(7)

    class Stop(IntEnum):
        NONE, NOT_ENABLED, UNDERRUN, OUT, START, PERMIT, BLOCKED, NONRT_SILENT, NONRT_DEAD = range(9)
        AXIS_FAULT, SLAVE_LOST, WKC, SHUTDOWN, ESTOP = range(9, 14)

    class Stand(IntEnum):
        UNKNOWN, MOVING, STANDING = range(3)

    class Rung(IntEnum):
        NONE, QUICK_STOP, BRAKE, DISABLE_VOLTAGE, SAFE_OUTPUTS, END_RT = range(6)

    class PeerView(IntEnum):
        NEVER, WELL, SLOW, SILENT, DEAD, STOPPING = range(6)

    class AgentReaction(IntEnum):
        DEFAULT, STOP, HOLD = range(3)

    class BusCommandKind(IntEnum):
        NONE, RESTART_SLAVE = range(2)

    class StartKind(IntEnum):
        NONE, GO, WAIT = range(3)

    class StreamState(IntEnum):
        IDLE, PLAYING, ENDED, UNDERRUN, BROKEN, REFUSED = range(6)

    class Refusal(IntEnum):
        NONE, HELD, NOT_HOLDING, AWAY, JUMP, LIMIT, SPEED, BEYOND_SPEED = range(8)

    class WkcVerdict(IntEnum):
        UNJUDGED, WHOLE, EXCUSED, LOW = range(4)

    class EstopSource(IntEnum):
        OPERATOR, API, POLICY, GUARD, RT, CORE, EXTERNAL, OTHER = range(8)

    class HaState(IntEnum):
        NEVER, OPERATIONAL, DEGRADED, SAFE_MODE, RECOVERY, MANUAL_INTERVENTION, SHUTDOWN = range(7)

    class GuardState(IntEnum):
        OFF, IDLE, ARMED, TRIPPED = range(4)

    class TripCause(IntEnum):
        NONE, DEAD, SILENT, ESTOP_IGNORED, CORRUPT = range(5)

    class CoreState(IntEnum):
        NEVER, WAITING, MOVING, STOPPED = range(4)

    class Inject(IntEnum):
        NONE, SPIN, SEGV, DIE_IN_WRITE, HANG = range(5)

    class SampleFlag(IntEnum):
        LOST, LATE, WKC, OP = 1, 2, 4, 8

    class EventCode(IntEnum):
        CYCLE_STARTED = 1
        CYCLE_STOPPED = 2
        LATE_WAKEUP = 3
        FRAME_LOST = 4
        WKC_LOW = 5
        WKC_BACK = 6
        ESTOP_OBEYED = 7
        ESTOP_CLEARED = 8
        NONRT_SILENT = 9
        NONRT_BACK = 10
        STREAM_STARTED = 11
        STREAM_ENDED = 12
        STREAM_DRY = 13
        STREAM_REFUSED = 14
        AXIS_FAULT = 15
        AXIS_FAULT_CLEARED = 16
        AXES_ENABLED = 17
        STOP_REASON = 18
        NONRT_NEVER = 19
        NONRT_SLOW = 20
        NONRT_DEAD = 21
        NONRT_STOPPING = 22
        AGENT_WORDS = 23
        AXIS_STOP = 24
        AXIS_JOINED = 25
        AXIS_OUT = 26
        SLAVES_EXCUSED = 27
        STREAM_DAMAGED = 28
        STREAM_GAP = 29
        HOLD_ENDED = 30
        AWAIT_START = 31
        START = 32
        NONRT_HOLD_OVER = 33
        AXES_STAND = 48
        STOP_IGNORED = 49
        AXIS_RUNS_ON = 50
        SLAVE_STATE = 64
        SLAVE_LOST = 65
        SLAVE_RECOVERED = 66
        BUS_OP = 67
        POSITIONS_CHECKED = 68
        POSITIONS_DIFFER = 69
        SETUP_DEGRADED = 70
        BUS_COMMAND = 71
        SLAVE_RESTART = 72
        GROUP_POWERED = 73
        SLAVE_NOT_BACK = 74
        SLAVE_NO_PART = 75
        MAILBOX_RETRY = 76
        MEMORY_LOST = 96
        MEMORY_MENDED = 97
        STOP_OBJECT_ABSENT = 112

else:
    RtPhase = _mirror("RtPhase", "FS_RT_", "ABSENT STARTING CYCLING STOPPING STOPPED")
    AxisMode = _mirror("AxisMode", "FS_AXIS_", "DISABLED ENABLING HOLDING FOLLOWING RAMPING QUICK_STOP FAULT")
    Stop = _mirror(
        "Stop",
        "FS_STOP_",
        "NONE NOT_ENABLED UNDERRUN OUT START PERMIT BLOCKED NONRT_SILENT NONRT_DEAD AXIS_FAULT SLAVE_LOST "
        "WKC SHUTDOWN ESTOP",
    )
    Stand = _mirror("Stand", "FS_STAND_", "UNKNOWN MOVING STANDING")
    Rung = _mirror("Rung", "FS_RUNG_", "NONE QUICK_STOP BRAKE DISABLE_VOLTAGE SAFE_OUTPUTS END_RT")
    PeerView = _mirror("PeerView", "FS_PEER_", "NEVER WELL SLOW SILENT DEAD STOPPING")
    AgentReaction = _mirror("AgentReaction", "FS_AGENT_", "DEFAULT STOP HOLD")
    BusCommandKind = _mirror("BusCommandKind", "FS_BUS_COMMAND_", "NONE RESTART_SLAVE")
    StartKind = _mirror("StartKind", "FS_START_", "NONE GO WAIT")
    StreamState = _mirror("StreamState", "FS_STREAM_", "IDLE PLAYING ENDED UNDERRUN BROKEN REFUSED")
    Refusal = _mirror("Refusal", "FS_REFUSAL_", "NONE HELD NOT_HOLDING AWAY JUMP LIMIT SPEED BEYOND_SPEED")
    WkcVerdict = _mirror("WkcVerdict", "FS_WKC_", "UNJUDGED WHOLE EXCUSED LOW")
    EstopSource = _mirror("EstopSource", "FS_ESTOP_", "OPERATOR API POLICY GUARD RT CORE EXTERNAL OTHER")
    HaState = _mirror(
        "HaState",
        "FS_HA_",
        "NEVER OPERATIONAL DEGRADED SAFE_MODE RECOVERY MANUAL_INTERVENTION SHUTDOWN",
    )
    GuardState = _mirror("GuardState", "FS_GUARD_", "OFF IDLE ARMED TRIPPED")
    TripCause = _mirror("TripCause", "FS_TRIP_", "NONE DEAD SILENT ESTOP_IGNORED CORRUPT")
    CoreState = _mirror("CoreState", "FS_CORE_", "NEVER WAITING MOVING STOPPED")
    Inject = _mirror("Inject", "FS_INJECT_", "NONE SPIN SEGV DIE_IN_WRITE HANG")
    SampleFlag = _mirror("SampleFlag", "FS_SAMPLE_", "LOST LATE WKC OP")
    EventCode = _mirror(
        "EventCode",
        "FS_EV_",
        "CYCLE_STARTED CYCLE_STOPPED LATE_WAKEUP FRAME_LOST WKC_LOW WKC_BACK ESTOP_OBEYED ESTOP_CLEARED "
        "NONRT_SILENT NONRT_BACK STREAM_STARTED STREAM_ENDED STREAM_DRY STREAM_REFUSED AXIS_FAULT "
        "AXIS_FAULT_CLEARED AXES_ENABLED STOP_REASON NONRT_NEVER NONRT_SLOW NONRT_DEAD NONRT_STOPPING "
        "AGENT_WORDS AXIS_STOP AXIS_JOINED AXIS_OUT SLAVES_EXCUSED STREAM_DAMAGED STREAM_GAP "
        "HOLD_ENDED AWAIT_START START NONRT_HOLD_OVER AXES_STAND STOP_IGNORED AXIS_RUNS_ON "
        "SLAVE_STATE SLAVE_LOST SLAVE_RECOVERED BUS_OP POSITIONS_CHECKED POSITIONS_DIFFER SETUP_DEGRADED "
        "BUS_COMMAND SLAVE_RESTART GROUP_POWERED SLAVE_NOT_BACK SLAVE_NO_PART MAILBOX_RETRY "
        "MEMORY_LOST MEMORY_MENDED STOP_OBJECT_ABSENT",
    )
