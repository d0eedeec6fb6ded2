"""Numbers of the shared memory in words: why axes stand, why one refuses a setpoint, what is done then.

Events, `fieldstack status` and the refusals of motion use them.
"""

from __future__ import annotations

from collections.abc import Mapping

from fieldstack_rt.datastore.layout import Refusal, Rung, Stop

_REFUSALS: Mapping[int, str] = {
    Refusal.HELD: "must stand",
    Refusal.NOT_HOLDING: "does not stand under power",
    Refusal.AWAY: "stands elsewhere than where it begins",
    Refusal.JUMP: "would jump",
    Refusal.LIMIT: "would leave its position limits, or go further beyond them",
    Refusal.SPEED: "would exceed its velocity limit",
    Refusal.BEYOND_SPEED: "would exceed its jog velocity beyond its position limits",
}


def refusal_text(number: int) -> str:
    """What an axis that refuses a setpoint would do (`fs_refusal`)."""
    return _REFUSALS.get(number, f"refuses it (reason {number})")


_STOPS: Mapping[int, str] = {
    Stop.NONE: "free to move",
    Stop.NOT_ENABLED: "not all enabled",
    Stop.UNDERRUN: "standing, the setpoint stream ran dry",
    Stop.START: "standing, waits for a start",
    Stop.OUT: "standing, dropped out of the running stream",
    Stop.BLOCKED: "standing, blocked by the Non-RT process",
    Stop.PERMIT: "standing, the Non-RT process gives no permit",
    Stop.NONRT_SILENT: "standing, the Non-RT process does not beat",
    Stop.NONRT_DEAD: "standing, the Non-RT process is dead",
    Stop.SLAVE_LOST: "standing, its slave is lost or restarted",
    Stop.AXIS_FAULT: "standing, an axis is in fault",
    Stop.WKC: "standing, slaves do not take part",
    Stop.SHUTDOWN: "coming to a stand for shutdown",
    Stop.ESTOP: "stopped by EMERGENCY_STOP",
}


RUNGS: Mapping[int, str] = {
    Rung.NONE: "nothing yet",
    Rung.QUICK_STOP: "quick stop",
    Rung.BRAKE: "brake applied",
    Rung.DISABLE_VOLTAGE: "voltage disabled",
    Rung.SAFE_OUTPUTS: "safe outputs of its slave",
    Rung.END_RT: "RT ended, the guard has the outputs",
}
"""What is done with an axis that does not stop, for people."""


def rung_text(number: int) -> str:
    """What is done with an axis that does not stop (`fs_rung`)."""
    return RUNGS.get(number, f"rung {number}")


def stop_text(number: int) -> str:
    """What a stop reason (`fs_stop`) says of the axes."""
    return _STOPS.get(number, f"standing (reason {number})")
