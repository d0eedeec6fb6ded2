"""What the cycle thread shows of its obedience, as far as it can be read now."""

from __future__ import annotations

from typing import Any

from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import AxisMode, RtPhase

FRESH_NS = 200_000_000
"""An older record is of an RT process that has stopped."""
MAX_AXES = 64


def fresh_status(store: DataStore, now_ns: int) -> Any | None:
    """`fs_rt_status` of a cycle thread that runs; None: none does, so nothing moves by its command."""
    if store.rt_phase not in (RtPhase.CYCLING, RtPhase.STOPPING):
        return None
    try:
        status = store.rt_status()
    except TornRecordError:
        return None
    fresh = int(status.epoch) == store.rt_epoch and now_ns - int(status.cycle_ns) <= FRESH_NS
    return status if fresh else None


def axes_in_fault(status: Any) -> tuple[int, ...]:
    count = min(int(status.axis_count), MAX_AXES)
    return tuple(number for number in range(count) if status.axes[number].state == AxisMode.FAULT)
