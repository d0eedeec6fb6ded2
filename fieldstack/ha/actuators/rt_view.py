"""Reads what RT's cycle thread has done with orders. Actuators and read-backs use it."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import MAX_AXES, AxisMode

FRESH_NS = 200_000_000
"""An older record comes from an RT process that has stopped."""
AHEAD_NS = 1_000_000_000
"""A record may be newer than this reading by this much; a larger difference is damage."""


class Rt(Enum):
    """How much is known of RT's cycle."""

    CYCLES = auto()
    UNKNOWN = auto()
    """Its record is torn, of another start than the words say, or of the time to come."""
    STILL = auto()
    """RT has not cycled for FRESH_NS: it moves nothing. Whether the axes stand is not known."""


def look_at_rt(store: DataStore, now_ns: int) -> tuple[Rt, Any]:
    """How much is known, with `fs_rt_status`; None: it cannot be trusted. No single damaged word can make a
    running cycle look stopped."""
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
