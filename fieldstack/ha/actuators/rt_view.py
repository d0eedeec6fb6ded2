"""Reads what RT's cycle thread shows of its obedience now. Used by actuators and read-backs."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import MAX_AXES, AxisMode

FRESH_NS = 200_000_000
"""An older record is of an RT process that has stopped."""
AHEAD_NS = 1_000_000_000
"""So much newer than the look at it a record may be; more is damage."""


class Rt(Enum):
    """How much is known of RT's cycle."""

    CYCLES = auto()
    UNKNOWN = auto()
    """Its record is torn, of another start than the words say, or of the time to come."""
    STILL = auto()
    """It has not cycled for FRESH_NS: nothing moves by its command. Whether the axes stand it cannot tell."""


def look_at_rt(store: DataStore, now_ns: int) -> tuple[Rt, Any]:
    """With `fs_rt_status`; None: it cannot be believed. No single word makes a cycle that runs look still."""
    try:
        status = store.rt_status()
    except TornRecordError:
        return Rt.UNKNOWN, None
    age_ns = now_ns - int(status.cycle_ns)
    if age_ns > FRESH_NS:
        return Rt.STILL, status
    if age_ns < -AHEAD_NS:
        return Rt.UNKNOWN, None
    return (Rt.CYCLES if int(status.epoch) == store.rt_epoch else Rt.UNKNOWN), status


def fresh_status(store: DataStore, now_ns: int) -> Any | None:
    """`fs_rt_status` of a cycle thread that runs; None: none does, or nothing is known of it."""
    rt, status = look_at_rt(store, now_ns)
    return status if rt is Rt.CYCLES else None


def axes_in_fault(status: Any) -> tuple[int, ...]:
    count = min(int(status.axis_count), MAX_AXES)
    return tuple(number for number in range(count) if status.axes[number].state == AxisMode.FAULT)
