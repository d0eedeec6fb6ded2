"""One axis of the bus plan: where its objects are in the image, its limits, how it stops.

The cycle, Tasks and the snapshot work from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fieldstack_ethercat.drives.cia402_objects import MODE_CODES

UNMAPPED = -1
START_TOLERANCE_SHARE = 0.1
"""A stream may begin this share of the following error limit away from where the axis stands."""
JOG_SHARE = 0.05
"""Of an axis's velocity limit: its jog velocity where none is configured."""


@dataclass(frozen=True, slots=True)
class AxisOffsets:
    """Byte offsets of an axis' objects in its slave's output and input image; UNMAPPED (-1) if not mapped.

    Objects of CiA 402-2: 0x6040, 0x6060, 0x607A, 0x60FF out;
    0x6041, 0x6061, 0x6064, 0x606C, 0x6077, 0x603F in.
    """

    controlword: int
    mode_of_operation: int
    target_position: int
    target_velocity: int
    statusword: int
    mode_display: int
    position_actual: int
    velocity_actual: int
    torque_actual: int
    error_code: int


@dataclass(frozen=True, slots=True)
class AxisStop:
    """What a stop of an axis is held to: the margin beside its ramp; then `ladder` (`quick_stop`, `brake`,
    `disable_voltage`, `safe_outputs`, `end_rt`), each rung for `rung_ns`. `brake_slave` is a position (-1:
    none), `brake_bit` counts in that slave's outputs.
    """

    margin_ns: int = 100_000_000
    rung_ns: int = 100_000_000
    ladder: tuple[str, ...] = ("quick_stop", "disable_voltage", "safe_outputs", "end_rt")
    brake_slave: int = -1
    brake_bit: int = 0
    brake_applied: int = 0


@dataclass(frozen=True, slots=True)
class AxisPlan:
    """An axis on a CiA 402 drive: `slave` is the slave's position; `mode` is `csp` (8) or `csv` (9).

    The `_counts` limits are in encoder counts, `_counts_s` in counts/s, `_counts_s2` in counts/s^2.
    """

    name: str
    slave: int
    mode: str
    unit: str
    counts_per_unit: float
    position_min_counts: int
    position_max_counts: int
    velocity_max_counts_s: int
    acceleration_max_counts_s2: int
    following_error_max_counts: int
    quick_stop_deceleration_counts_s2: int
    offsets: AxisOffsets
    jog_velocity_counts_s: int = 0
    """0: none is configured."""
    stop: AxisStop = AxisStop()

    @property
    def stop_bound_ns(self) -> int:
        """The longest that a stop takes to a stand: from full speed along the ramp, and the margin."""
        ramp_s = self.velocity_max_counts_s / self.quick_stop_deceleration_counts_s2
        return round(ramp_s * 1e9) + self.stop.margin_ns

    @property
    def jog_counts_s(self) -> float:
        """How fast it goes by hand, and beyond its position limits, at most; counts/s."""
        return self.jog_velocity_counts_s or self.velocity_max_counts_s * JOG_SHARE

    @property
    def start_tolerance_counts(self) -> float:
        """Counts that a first setpoint may lie away; so little beyond a limit counts as inside."""
        return max(2.0, self.following_error_max_counts * START_TOLERANCE_SHARE)

    def beyond_limit(self, position: float) -> float:
        """Counts by which a place is beyond the upper limit, or (below 0) the lower one; 0: inside."""
        if position > self.position_max_counts:
            out = position - self.position_max_counts
        else:
            out = min(0.0, position - self.position_min_counts)
        return out if abs(out) > self.start_tolerance_counts else 0.0

    @property
    def mode_code(self) -> int:
        """The value of 0x6060: 8 (cyclic synchronous position) or 9 (cyclic synchronous velocity)."""
        return MODE_CODES[self.mode]
