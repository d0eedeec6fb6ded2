"""What the segment reports about itself, as plain data with a JSON form. Times: CLOCK_MONOTONIC, ns.

Tests, benches and `fieldstack segment` compare what the cell says with it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any


class EventKind(IntEnum):
    """Kinds of events; what `a` and `b` mean is in `segment/native/segment.h`."""

    AL_STATE = 1
    CONTROLWORD = 2
    DIGITAL_OUTPUTS = 3
    DRIVE_STATE = 4
    WATCHDOG_EXPIRED = 5
    OUTPUTS_SAFE = 6
    OUTPUTS_UNSAFE = 7
    OUTPUTS_VALID = 8
    OUTPUTS_INVALID = 9
    POWER = 10


@dataclass(frozen=True, slots=True)
class SlaveEvent:
    """One event of a slave; `sequence` counts from 1 per slave, a gap means that events were overwritten."""

    sequence: int
    t_ns: int
    kind: EventKind
    a: int
    b: int

    def to_json(self) -> list[Any]:
        return [self.sequence, self.t_ns, self.kind.name, self.a, self.b]

    @classmethod
    def from_json(cls, value: list[Any]) -> SlaveEvent:
        sequence, t_ns, kind, a, b = value
        return cls(sequence, t_ns, EventKind[kind], a, b)


@dataclass(frozen=True, slots=True)
class MotionSample:
    """A drive's motor at `t_ns`, once a millisecond.

    `position` in counts, unwrapped, `velocity` in counts/s.
    """

    sequence: int
    t_ns: int
    position: float
    velocity: float
    statusword: int

    def to_json(self) -> list[Any]:
        return [self.sequence, self.t_ns, self.position, self.velocity, self.statusword]

    @classmethod
    def from_json(cls, value: list[Any]) -> MotionSample:
        return cls(*value)


@dataclass(frozen=True, slots=True)
class SlaveTruth:
    """What a slave is and does.

    `safe`: not in OP, no outputs taken over yet, or outputs equal to its safe image. `outputs` is the output
    image as the device side sees it: zero outside OP. `controlword` is what the drive took over last.
    `position` in counts (unwrapped), `velocity` in counts/s. Stamps are 0 for what never happened.
    `system_time_ns` is its distributed clock's, at `t_ns`; 0 if it has none.
    """

    position_in_chain: int
    t_ns: int
    device: str
    powered: bool
    reached: bool
    outputs_valid: bool
    safe: bool
    station_address: int
    al_status: int
    al_status_code: int
    statusword: int
    controlword: int
    error_code: int
    drive_state: int
    digital_outputs: int
    digital_inputs: int
    watchdog_expiries: int
    position: float
    velocity: float
    safe_since_ns: int
    unsafe_since_ns: int
    system_time_ns: int
    last_outputs_ns: int
    output_writes: int
    events: int
    samples: int
    input_bytes: int
    outputs: bytes

    @property
    def al_state(self) -> int:
        """The AL state alone: 1 INIT, 2 PRE-OP, 4 SAFE-OP, 8 OP."""
        return self.al_status & 0x0F

    @property
    def al_error(self) -> bool:
        return bool(self.al_status & 0x10)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"outputs": self.outputs.hex()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> SlaveTruth:
        return cls(**value | {"outputs": bytes.fromhex(value["outputs"])})


@dataclass(frozen=True, slots=True)
class SegmentStatistics:
    """Counters since the start.

    `processing_histogram` counts frames per 500 ns of processing time, in 128 buckets. `lost`: frames that
    reached no slave; `stalls`: wake-ups of the frame thread late by over 5 ms, that is, times in which the
    machine itself stood still. `fifo`, `pinned`, `locked`: the real-time settings in effect.
    """

    slaves: int
    frames: int
    answered: int
    lost: int
    dropped: int
    delayed: int
    corrupted: int
    delay_overflow: int
    delay_pending: int
    malformed: int
    send_errors: int
    processing_sum_ns: int
    processing_max_ns: int
    processing_histogram: tuple[int, ...]
    steps: int
    step_max_ns: int
    late_max_ns: int
    stalls: int
    fifo: bool
    pinned: bool
    locked: bool

    @property
    def processing_mean_ns(self) -> float:
        """Mean time from receiving a frame to its answer being ready; 0 without frames."""
        return self.processing_sum_ns / self.frames if self.frames else 0.0

    def processing_percentile_ns(self, fraction: float) -> int:
        """Upper bound of the bucket in which `fraction` (0 to 1) of the frames' processing times end."""
        wanted = fraction * sum(self.processing_histogram)
        for index, count in enumerate(self.processing_histogram):
            wanted -= count
            if wanted <= 0:
                return 500 * (index + 1)
        return self.processing_max_ns

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> SegmentStatistics:
        return cls(**value | {"processing_histogram": tuple(value["processing_histogram"])})
