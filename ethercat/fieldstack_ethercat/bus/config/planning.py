"""Makes the bus plan from a checked configuration: offsets, bytes, counts.

The command line and the cell use it before anything starts; RT and the guard get only the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldstack_ethercat.bus.config.axis_plan import UNMAPPED, AxisOffsets, AxisPlan, AxisStop
from fieldstack_ethercat.bus.config.configuration_group import REST
from fieldstack_ethercat.bus.config.configuration_stop import brake_places, ladder_of
from fieldstack_ethercat.bus.config.loading import LoadedBus, load_file, load_text
from fieldstack_ethercat.bus.config.plan import BusPlan, GroupPlan
from fieldstack_ethercat.bus.config.slave_plan import (
    Pdo,
    PdoEntry,
    SlavePlan,
    StartupSdo,
    StopOption,
    Sync0,
    Watchdog,
)
from fieldstack_ethercat.drives.cia402 import Controlword
from fieldstack_ethercat.drives.cia402_objects import (
    INPUTS,
    MODE_CODES,
    MODE_OF_OPERATION,
    OUTPUTS,
    QUICK_STOP_DECELERATION,
)
from fieldstack_ethercat.drives.stop_options import STOP_OPTIONS

if TYPE_CHECKING:
    from fieldstack_ethercat.bus.config.configuration import BusConfig
    from fieldstack_ethercat.bus.config.configuration_axis import AxisConfig
    from fieldstack_ethercat.bus.config.configuration_slave import PdoConfig, SlaveConfig

ALL = "all"
"""The one essential group of a configuration without groups."""
WATCHDOG_DIVIDER = 2498
"""Register 0x0400's value after reset: 100 µs a step."""
WATCHDOG_STEPS_PER_MS = 10


def plan_from_file(path: str | Path) -> BusPlan:
    """The plan of a configuration file. ConfigurationError names everything wrong with it."""
    return make_plan(load_file(path))


def plan_from_text(text: str, file: str = "<text>") -> BusPlan:
    """The same from text; `file` is what errors call it."""
    return make_plan(load_text(text, file))


def make_plan(loaded: LoadedBus) -> BusPlan:
    """The plan that bring-up, cycle and guard work from, of a configuration that has passed all checks."""
    bus = loaded.config
    axis_of = {axis.slave: axis for axis in bus.axes}
    slaves = tuple(_slave(at, slave, axis_of.get(slave.name), bus) for at, slave in enumerate(bus.slaves))
    by_name = {slave.name: slave for slave in slaves}
    return BusPlan(
        source=loaded.source,
        digest=loaded.digest,
        interface=bus.interface or "",
        cycle_time_ns=bus.cycle_time_us * 1000,
        receive_timeout_us=bus.effective_receive_timeout_us,
        slaves=slaves,
        axes=tuple(_axis(axis, by_name[axis.slave], bus) for axis in bus.axes),
        groups=_groups(bus, by_name),
        loss_diagnosis_ns=bus.loss_diagnosis_ms * 1_000_000,
        lost_cycles_limit=bus.lost_cycles_limit,
        distributed_clocks=bus.distributed_clocks.enabled,
        **_start_input(bus, by_name),
    )


def _start_input(bus: BusConfig, slaves: dict[str, SlavePlan]) -> dict[str, int]:
    if bus.start_input is None:
        return {}
    slave = slaves[bus.start_input.slave]
    entries = (entry for pdo in slave.tx for entry in pdo.entries if entry.name == bus.start_input.input)
    return {"start_input_slave": slave.position, "start_input_bit": next(entries).bit_offset}


def _groups(bus: BusConfig, slaves: dict[str, SlavePlan]) -> tuple[GroupPlan, ...]:
    numbers = {axis.name: number for number, axis in enumerate(bus.axes)}
    made = []
    for group in bus.groups:
        axes = tuple(sorted(numbers[name] for name in group.axes))
        members = [bus.axes[number].slave for number in axes] + group.slaves
        positions = tuple(sorted(slaves[name].position for name in members))
        made.append(GroupPlan(group.name, axes, positions, group.essential, tuple(group.capabilities)))
    named_axes = {axis for group in made for axis in group.axes}
    named_slaves = {slave for group in made for slave in group.slaves}
    axes = tuple(number for number in range(len(bus.axes)) if number not in named_axes)
    positions = tuple(at for at in range(len(bus.slaves)) if at not in named_slaves)
    if axes or positions:
        made.append(GroupPlan(REST if made else ALL, axes, positions, True, ()))
    return tuple(made)


def _slave(position: int, slave: SlaveConfig, axis: AxisConfig | None, bus: BusConfig) -> SlavePlan:
    rx, tx = _pdos(slave.pdos.rx), _pdos(slave.pdos.tx)
    return SlavePlan(
        position=position,
        name=slave.name,
        vendor=slave.vendor,
        product=slave.product,
        revision=slave.revision,
        device=slave.device,
        rx=rx,
        tx=tx,
        startup_sdos=_startup_sdos(slave, axis, rx),
        stop_category=slave.effective_stop_category,
        safe_outputs=_safe_outputs(slave, rx),
        watchdog=Watchdog(
            divider=WATCHDOG_DIVIDER, process_data=bus.watchdog_of(slave) * WATCHDOG_STEPS_PER_MS
        ),
        sync0=_sync0(slave, bus),
        stop_options=tuple(_stop_options(slave, position, axis, bus)),
    )


def _sync0(slave: SlaveConfig, bus: BusConfig) -> Sync0 | None:
    if slave.sync0 is None:
        return None
    return Sync0((slave.sync0.cycle_us or bus.cycle_time_us) * 1000, slave.sync0.shift_us * 1000)


def _pdos(pdos: Sequence[PdoConfig]) -> tuple[Pdo, ...]:
    offset = 0
    made = []
    for pdo in pdos:
        entries = []
        for entry in pdo.entries:
            entries.append(PdoEntry(entry.entry_name, entry.object, entry.sub, entry.bits, offset))
            offset += entry.bits
        made.append(Pdo(pdo.pdo, tuple(entries)))
    return tuple(made)


def _startup_sdos(slave: SlaveConfig, axis: AxisConfig | None, rx: tuple[Pdo, ...]) -> tuple[StartupSdo, ...]:
    sdos = [StartupSdo(sdo.object, sdo.sub, sdo.encode(), sdo.complete_access) for sdo in slave.startup_sdos]
    if axis is not None:
        deceleration = round(axis.quick_stop_deceleration * axis.counts_per_unit)
        sdos.append(StartupSdo(QUICK_STOP_DECELERATION, 0, deceleration.to_bytes(4, "little"), False))
        if _offset(rx, MODE_OF_OPERATION) == UNMAPPED and all(sdo.index != MODE_OF_OPERATION for sdo in sdos):
            sdos.append(StartupSdo(MODE_OF_OPERATION, 0, bytes([MODE_CODES[axis.mode]]), False))
    return tuple(sdos)


def _stop_options(
    slave: SlaveConfig, position: int, axis: AxisConfig | None, bus: BusConfig
) -> Iterator[StopOption]:
    """How a drive stops by itself: from its stop category, and its axis's ramp."""
    if slave.device != "cia402":
        return
    category = slave.effective_stop_category
    for index, value in STOP_OPTIONS[category].items():
        data = value.to_bytes(2, "little", signed=True)
        yield StopOption(index, data, f"slaves[{position}].stop_category", str(category))
    if axis is not None:
        number = bus.axes.index(axis)
        deceleration = round(axis.quick_stop_deceleration * axis.counts_per_unit)
        key, shown = f"axes[{number}].quick_stop_deceleration", f"{axis.quick_stop_deceleration:g}"
        yield StopOption(QUICK_STOP_DECELERATION, deceleration.to_bytes(4, "little"), key, shown)


def _safe_outputs(slave: SlaveConfig, rx: tuple[Pdo, ...]) -> bytes:
    values = dict(slave.safe_outputs)
    if slave.device == "cia402" and slave.effective_stop_category:
        values.setdefault("controlword", int(Controlword.QUICK_STOP))
    image = bits = 0
    for pdo in rx:
        for entry in pdo.entries:
            value = values.get(entry.name, 0) if entry.name else 0
            image |= (value & ((1 << entry.bits) - 1)) << entry.bit_offset
            bits += entry.bits
    return image.to_bytes((bits + 7) // 8, "little")


def _axis_stop(axis: AxisConfig, bus: BusConfig) -> AxisStop:
    brake: tuple[int, int, int] = (-1, 0, 0)
    if axis.brake is not None:
        slaves = {slave.name: slave for slave in bus.slaves}
        (slave, _, bit) = brake_places(axis.brake, slaves)[0]
        brake = (bus.slaves.index(slave), bit, axis.brake.applied)
    margin_ns, rung_ns = axis.stop_margin_ms * 1_000_000, axis.stop_rung_ms * 1_000_000
    return AxisStop(margin_ns, rung_ns, tuple(ladder_of(axis)), *brake)


def _axis(axis: AxisConfig, slave: SlavePlan, bus: BusConfig) -> AxisPlan:
    def counts(value: float) -> int:
        return round(value * axis.counts_per_unit)

    outputs = {name: _offset(slave.rx, index) for name, (index, _) in OUTPUTS.items()}
    inputs = {name: _offset(slave.tx, index) for name, (index, _) in INPUTS.items()}
    return AxisPlan(
        name=axis.name,
        slave=slave.position,
        mode=axis.mode,
        unit=axis.unit,
        counts_per_unit=axis.counts_per_unit,
        position_min_counts=counts(axis.position_min),
        position_max_counts=counts(axis.position_max),
        velocity_max_counts_s=counts(axis.velocity_max),
        acceleration_max_counts_s2=counts(axis.acceleration_max),
        following_error_max_counts=counts(axis.following_error_max),
        quick_stop_deceleration_counts_s2=counts(axis.quick_stop_deceleration),
        offsets=AxisOffsets(**outputs, **inputs),
        jog_velocity_counts_s=counts(axis.jog_velocity or 0),
        stop=_axis_stop(axis, bus),
    )


def _offset(pdos: tuple[Pdo, ...], index: int) -> int:
    """Byte offset of subindex 0 of an object in the slave's image; UNMAPPED if it is not there."""
    for pdo in pdos:
        for entry in pdo.entries:
            if entry.index == index and entry.sub == 0:
                return entry.bit_offset // 8
    return UNMAPPED
