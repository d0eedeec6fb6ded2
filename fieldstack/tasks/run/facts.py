"""RT's facts, from its status record and the words beside it."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeVar

from fieldstack.tasks.run.stream_control import RtFacts
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import IO_BYTES, MAX_AXES, AxisMode, RtPhase, Stop, StreamState


def read_facts(store: DataStore) -> RtFacts:
    """Raises TornRecordError: RT died inside a write; its successor mends the record."""
    return rt_facts(
        store.rt_status(),
        phase=store.rt_phase,
        permit=store.motion_permit,
        blocked=store.axes_blocked,
        speed_override=store.speed_override,
    )


def rt_facts(
    record: Any, *, phase: RtPhase, permit: bool, blocked: int = 0, speed_override: int = 1000
) -> RtFacts:
    """Facts from an `fs_rt_status` record and the words beside it.

    A number that no RT process writes (damaged memory) reads as one that lets nothing begin.
    """
    axes = [record.axes[number] for number in range(min(record.axis_count, MAX_AXES))]
    return RtFacts(
        phase=phase,
        epoch=record.epoch,
        stop=_known(Stop, record.stop_reason, Stop.NOT_ENABLED),
        permit=permit,
        stream=record.stream,
        stream_state=_known(StreamState, record.stream_state, StreamState.BROKEN),
        tail=record.setpoint_tail,
        axes=tuple(_known(AxisMode, axis.state, AxisMode.DISABLED) for axis in axes),
        targets=tuple(axis.target for axis in axes),
        stops=tuple(_known(Stop, axis.stop, Stop.NOT_ENABLED) for axis in axes),
        standing=all(axis.target_velocity == 0 for axis in axes),
        blocked=blocked,
        inputs=bytes(ffi.buffer(record.io_inputs, IO_BYTES)),
        outputs=bytes(ffi.buffer(record.io_outputs, IO_BYTES)),
        speed_override=speed_override,
        refused_axis=record.refused_axis,
        refusal=record.refusal,
    )


_Kind = TypeVar("_Kind", bound=IntEnum)


def _known(kind: type[_Kind], value: int, otherwise: _Kind) -> _Kind:
    try:
        return kind(value)
    except ValueError:
        return otherwise
