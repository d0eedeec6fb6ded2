"""What RT says at one time, from its status record and the words beside it. All of Tasks decides by it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import IO_BYTES, MAX_AXES, AxisMode, RtPhase, Stop, StreamState

CLEARED_BY_NEW_STREAM = frozenset({Stop.NONE, Stop.UNDERRUN})
"""Reasons to stand that a new stream ends by itself."""
CLEARED_BY_JOG = CLEARED_BY_NEW_STREAM | {Stop.START}
"""The same, of axes that a person holds: each renewal is a start."""


@dataclass(frozen=True, slots=True)
class RtFacts:
    """What RT's status said at one time; positions in counts, `tail`: setpoints taken so far."""

    phase: RtPhase
    epoch: int
    stop: Stop
    permit: bool
    stream: int
    stream_state: StreamState
    tail: int
    axes: tuple[AxisMode, ...]
    targets: tuple[int, ...]
    stops: tuple[Stop, ...] = ()
    """Why each axis stands; empty: none for a reason of its own."""
    standing: bool = True
    """No axis is commanded to move in this cycle."""
    blocked: int = 0
    """Mask of axes that Non-RT lets not move."""
    inputs: bytes = b""
    outputs: bytes = b""
    """Images of the slaves that are no axes: as read, and as sent."""
    speed_override: int = 1000
    """As asked for, per mille."""
    refused_axis: int = 0
    refusal: int = 0
    """Of the last stream that was refused: by which axis, and why (enum fs_refusal)."""

    @property
    def ready(self) -> bool:
        """A new stream would be played: RT cycles, an axis holds its position, and motion is permitted."""
        return (
            self.phase is RtPhase.CYCLING
            and self.permit
            and self.stop in CLEARED_BY_NEW_STREAM
            and (not self.axes or any(self.holds(number) for number in range(len(self.axes))))
        )

    @property
    def ready_to_jog(self) -> bool:
        """A stream of nothing but axes that a person holds would be played."""
        return self.phase is RtPhase.CYCLING and self.permit and self.stop in CLEARED_BY_JOG

    def can_jog(self, number: int, modes: Collection[AxisMode] = (AxisMode.HOLDING,)) -> bool:
        """The axis stands under power (or is in one of `modes`) and would follow a hand."""
        return self.axes[number] in modes and self._free(number, CLEARED_BY_JOG)

    @property
    def waits_for_start(self) -> bool:
        """Nothing but a start is missing."""
        return self.stop is Stop.START

    def holds(self, number: int) -> bool:
        """The axis stands under power and would join a stream."""
        return self.axes[number] is AxisMode.HOLDING and self._free(number)

    def can_follow(self, number: int) -> bool:
        """The axis follows, or holds and could."""
        return self.axes[number] in (AxisMode.HOLDING, AxisMode.FOLLOWING) and self._free(number)

    def _free(self, number: int, among: Collection[Stop] = CLEARED_BY_NEW_STREAM) -> bool:
        stop = self.stops[number] if number < len(self.stops) else Stop.NONE
        return stop in among and not self.blocked >> number & 1


def read_facts(store: DataStore) -> RtFacts:
    """Raises TornRecordError: RT died inside a write; its successor repairs the record."""
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
