"""The bus plan: a validated bus configuration as plain data, quick to load.

The real-time process and the guard read it without pydantic; `BusConfig.to_plan()` makes it.
Units: bits and bytes as named, times in nanoseconds unless the name says otherwise, axes in their user unit.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from fieldstack_base import bounded_json
from fieldstack_ethercat.bus.errors import PlanFormatError

FORMAT = "fieldstack-bus-plan/3"
UNMAPPED = -1
START_TOLERANCE_SHARE = 0.1
"""A stream may begin this share of the following error limit away from where the axis stands."""
JOG_SHARE = 0.05
"""Of an axis's velocity limit: its jog velocity where none is configured."""
READ_BACK_MS = 50
"""Beside the longest stop: until its end was read back by whoever has ordered it."""
MAX_SLAVES = 199
"""SOEM's slave list has 200 places, of which the first stands for the master."""
MAX_AXES = 64
"""FS_MAX_AXES of the shared memory's layout."""
MAX_PROCESS_IMAGE = 4096
"""pysoem's process image, outputs and inputs together."""


@dataclass(frozen=True, slots=True)
class PdoEntry:
    """One entry of a PDO; `bit_offset` counts from the start of the slave's own image in that direction.

    Padding has index 0 and an empty name.
    """

    name: str
    index: int
    sub: int
    bits: int
    bit_offset: int

    @property
    def mapping(self) -> int:
        """The entry as a mapping parameter object holds it: index, subindex, length in bits (ETG.1000.6)."""
        return self.index << 16 | self.sub << 8 | self.bits


@dataclass(frozen=True, slots=True)
class Pdo:
    """One PDO: its mapping parameter object's index (0x1600.. or 0x1A00..) and entries in order."""

    index: int
    entries: tuple[PdoEntry, ...]


@dataclass(frozen=True, slots=True)
class StartupSdo:
    """An SDO download in PRE-OP; `data` is little-endian as it goes on the wire."""

    index: int
    sub: int
    data: bytes
    complete_access: bool


@dataclass(frozen=True, slots=True)
class StopOption:
    """An object of CiA 402 that says how a drive stops, and the value it must have; `data` as in StartupSdo.

    `key` and `value`: where in the configuration that comes from, for people.
    """

    index: int
    data: bytes
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Process data watchdog: registers 0x0400 (unit: 40 ns times this plus 2) and 0x0420 (time)."""

    divider: int
    process_data: int

    @property
    def timeout_ns(self) -> int:
        return self.process_data * (self.divider + 2) * 40


@dataclass(frozen=True, slots=True)
class Sync0:
    """SYNC0 pulses (0x0990, 0x09A0): every `cycle_ns` of system time, `shift_ns` after full ones."""

    cycle_ns: int
    shift_ns: int


@dataclass(frozen=True, slots=True)
class SlavePlan:
    """One slave: who must be at this position (0-based), how it is set up, and what makes it safe.

    `revision` is None if any will do. `safe_outputs` is its output image of `output_bytes` bytes.
    """

    position: int
    name: str
    vendor: int
    product: int
    revision: int | None
    device: str
    rx: tuple[Pdo, ...]
    tx: tuple[Pdo, ...]
    startup_sdos: tuple[StartupSdo, ...]
    stop_category: int
    safe_outputs: bytes
    watchdog: Watchdog
    sync0: Sync0 | None = None
    stop_options: tuple[StopOption, ...] = ()

    @property
    def output_bits(self) -> int:
        return sum(entry.bits for pdo in self.rx for entry in pdo.entries)

    @property
    def input_bits(self) -> int:
        return sum(entry.bits for pdo in self.tx for entry in pdo.entries)

    @property
    def wkc_share(self) -> int:
        """What it adds to the working counter of one LRW: 2 for its outputs, 1 for its inputs."""
        return 2 * bool(self.output_bits) + bool(self.input_bits)

    @property
    def output_bytes(self) -> int:
        return (self.output_bits + 7) // 8

    @property
    def input_bytes(self) -> int:
        return (self.input_bits + 7) // 8

    def output(self, name: str) -> PdoEntry:
        """The output entry of that name; KeyError if it is not mapped."""
        return _entry(self.rx, name)

    def input(self, name: str) -> PdoEntry:
        """The input entry of that name; KeyError if it is not mapped."""
        return _entry(self.tx, name)


def _entry(pdos: tuple[Pdo, ...], name: str) -> PdoEntry:
    for pdo in pdos:
        for entry in pdo.entries:
            if name and entry.name == name:
                return entry
    raise KeyError(name)


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
        return 8 if self.mode == "csp" else 9


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """Axes that stop together. Every axis and every slave is in exactly one group.

    `axes` are axis numbers (the bits of masks), `slaves` the positions of its axes and of its terminals.
    What fails in a group that is not essential stops that group alone. `capabilities`: what it can do.
    """

    name: str
    axes: tuple[int, ...]
    slaves: tuple[int, ...]
    essential: bool
    capabilities: tuple[str, ...]

    @property
    def mask(self) -> int:
        """Its axes as the masks of the shared memory have them: bit n is axis n."""
        return sum(1 << axis for axis in self.axes)


@dataclass(frozen=True, slots=True)
class BusPlan:
    """A whole bus. `digest` is the sha256 of the configuration it was made from, `source` that file's name.

    `interface` is empty if the configuration leaves it to the command line. `lost_cycles_limit`: cycles
    in a row with a wrong working counter that stop the axes. `start_input_*`: the slave's position (-1: there
    is none) and the bit of its input image with which people start the axes.
    """

    source: str
    digest: str
    interface: str
    cycle_time_ns: int
    receive_timeout_us: int
    slaves: tuple[SlavePlan, ...]
    axes: tuple[AxisPlan, ...]
    groups: tuple[GroupPlan, ...] = ()
    loss_diagnosis_ns: int = 20_000_000
    lost_cycles_limit: int = 3
    distributed_clocks: bool = False
    start_input_slave: int = -1
    start_input_bit: int = 0

    @property
    def expected_wkc(self) -> int:
        """Working counter of a full exchange in one LRW: 2 for a slave with outputs, 1 for one with inputs.

        Segmented images count a slave once for each segment it is in; SoemContext has the figure for those.
        """
        return sum(slave.wkc_share for slave in self.slaves)

    @property
    def longest_stop_ns(self) -> int:
        """In this time every axis stands, or is on the first rung of its ladder; 0: there is no axis."""
        return max((axis.stop_bound_ns for axis in self.axes), default=0)

    @property
    def stop_ms(self) -> int:
        """So long after a stop it is known that all axes stand, or which does not; 0: there is no axis."""
        return -(-self.longest_stop_ns // 1_000_000) + READ_BACK_MS if self.axes else 0

    def slave(self, name: str) -> SlavePlan:
        """The slave of that name; KeyError if there is none."""
        for slave in self.slaves:
            if slave.name == name:
                return slave
        raise KeyError(name)

    def group_of(self, axis: int) -> GroupPlan:
        """The group of an axis number; KeyError if there is no such axis."""
        for group in self.groups:
            if axis in group.axes:
                return group
        raise KeyError(axis)

    def to_json(self) -> str:
        """The plan as one line of JSON; bytes as hex."""
        document = {"format": FORMAT, **asdict(self)}
        return json.dumps(document, default=bytes.hex, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> BusPlan:
        """A plan from `to_json`'s text. PlanFormatError if it is of another version or not a plan."""
        try:
            document = bounded_json.loads(text)
            found = document.pop("format", None)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise PlanFormatError(f"not a bus plan: {error}") from error
        if found != FORMAT:
            raise PlanFormatError(
                f"bus plan of format {found!r}, this version reads {FORMAT!r}: "
                "make the plan anew from its configuration (one of the two sides is older)"
            )
        try:
            return _bus(document)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise PlanFormatError(f"damaged bus plan: {error!r}") from error


def _bus(raw: dict[str, Any]) -> BusPlan:
    slaves = tuple(_slave(item) for item in raw.pop("slaves"))
    axes = tuple(_axis(item) for item in raw.pop("axes"))
    groups = tuple(_group(item) for item in raw.pop("groups"))
    _same_keys(BusPlan, raw, {"slaves", "axes", "groups"})
    return BusPlan(**raw, slaves=slaves, axes=axes, groups=groups)


def _slave(raw: dict[str, Any]) -> SlavePlan:
    parts: dict[str, Any] = {
        "rx": tuple(_pdo(item) for item in raw.pop("rx")),
        "tx": tuple(_pdo(item) for item in raw.pop("tx")),
        "startup_sdos": tuple(_sdo(item) for item in raw.pop("startup_sdos")),
        "stop_options": tuple(_stop_option(item) for item in raw.pop("stop_options", ())),
        "safe_outputs": bytes.fromhex(raw.pop("safe_outputs")),
        "watchdog": Watchdog(**raw.pop("watchdog")),
    }
    sync0 = raw.pop("sync0")
    parts["sync0"] = None if sync0 is None else Sync0(**sync0)
    return SlavePlan(**raw, **parts)


def _pdo(raw: dict[str, Any]) -> Pdo:
    return Pdo(index=raw["index"], entries=tuple(PdoEntry(**entry) for entry in raw["entries"]))


def _sdo(raw: dict[str, Any]) -> StartupSdo:
    return StartupSdo(**{**raw, "data": bytes.fromhex(raw["data"])})


def _stop_option(raw: dict[str, Any]) -> StopOption:
    return StopOption(**{**raw, "data": bytes.fromhex(raw["data"])})


def _axis(raw: dict[str, Any]) -> AxisPlan:
    stop = AxisStop(**raw.get("stop", {}))
    stop = replace(stop, ladder=tuple(stop.ladder))
    parts = {"offsets": AxisOffsets(**raw["offsets"]), "stop": stop}
    return AxisPlan(**{**raw, **parts})


def _group(raw: dict[str, Any]) -> GroupPlan:
    lists = {key: tuple(raw[key]) for key in ("axes", "slaves", "capabilities")}
    return GroupPlan(**{**raw, **lists})


def _same_keys(kind: type[BusPlan], raw: dict[str, Any], done: set[str]) -> None:
    expected = {field.name for field in fields(kind)} - done
    if expected != set(raw):
        raise KeyError(", ".join(sorted(expected ^ set(raw))))
