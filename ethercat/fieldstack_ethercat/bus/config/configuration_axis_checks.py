"""Checks an axis as a schema cannot: that its slave is a drive with the right objects, within limits.

`configuration_checks.py` runs it for each axis. The checks of the other parts yield the same `Finding`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from fieldstack_base.yaml_source import KeyPath
from fieldstack_ethercat.bus.config import configuration_stop
from fieldstack_ethercat.drives.cia402_objects import INPUTS, OUTPUTS, QUICK_STOP_DECELERATION, REQUIRED

if TYPE_CHECKING:
    from fieldstack_ethercat.bus.config.configuration_axis import AxisConfig
    from fieldstack_ethercat.bus.config.configuration_slave import PdoEntryConfig, SlaveConfig

INT32_MAX = 0x7FFFFFFF

Finding = tuple[KeyPath, Any, str, str]
"""Key path, value, what is wrong, what to do."""


def find(axis: AxisConfig, slaves: dict[str, SlaveConfig], base: KeyPath) -> Iterator[Finding]:
    """All findings about one axis; `slaves` by name, `base` the axis' key path."""
    slave = slaves.get(axis.slave)
    if slave is None:
        known = ", ".join(list(slaves)[:10])
        yield (*base, "slave"), axis.slave, "no slave has that name", f"Slaves: {known}."
    elif slave.device != "cia402":
        yield (*base, "slave"), axis.slave, "is not a drive", "Use a slave with `device: cia402`."
    else:
        yield from _objects(axis, slave, base)
        yield from _sdos(axis, slave, base)
    yield from configuration_stop.find(axis, slaves, base)
    yield from _limits(axis, base)


def _objects(axis: AxisConfig, slave: SlaveConfig, base: KeyPath) -> Iterator[Finding]:
    placed = {entry.object: (entry, offset) for entry, offset in _offsets(slave) if entry.sub == 0}
    for name, (index, bits) in (OUTPUTS | INPUTS).items():
        entry, offset = placed.get(index, (None, 0))
        label = f"{name} (0x{index:04X})"
        if entry is None:
            if name in REQUIRED[axis.mode]:
                hint = "Map it under that slave's `pdos`, or choose the other mode."
                yield (*base, "slave"), slave.name, f"{axis.mode} needs {label} in the process image", hint
        elif entry.bits != bits or offset % 8:
            yield (
                (*base, "slave"),
                slave.name,
                f"{label} is mapped with {entry.bits} bits at bit {offset}; an axis needs {bits} on a byte",
                "Correct the entry, or add padding before it.",
            )


def _offsets(slave: SlaveConfig) -> Iterator[tuple[PdoEntryConfig, int]]:
    for pdos in (slave.pdos.rx, slave.pdos.tx):
        offset = 0
        for entry in chain.from_iterable(pdo.entries for pdo in pdos):
            yield entry, offset
            offset += entry.bits


def _sdos(axis: AxisConfig, slave: SlaveConfig, base: KeyPath) -> Iterator[Finding]:
    if any(sdo.object == QUICK_STOP_DECELERATION for sdo in slave.startup_sdos):
        yield (
            (*base, "quick_stop_deceleration"),
            axis.quick_stop_deceleration,
            f"also written by a start-up SDO of {slave.name} (0x{QUICK_STOP_DECELERATION:04X})",
            "Drop the start-up SDO.",
        )


def _limits(axis: AxisConfig, base: KeyPath) -> Iterator[Finding]:
    if axis.position_min >= axis.position_max:
        yield (
            (*base, "position_min"),
            axis.position_min,
            f"not below position_max ({axis.position_max})",
            "Give the travel from its lower to its upper end.",
        )
    if axis.jog_velocity is not None and axis.jog_velocity > axis.velocity_max:
        yield (
            (*base, "jog_velocity"),
            axis.jog_velocity,
            f"is more than velocity_max ({axis.velocity_max})",
            "Jogging is slow: give a small share of it.",
        )
    for key in (
        "position_min",
        "position_max",
        "velocity_max",
        "acceleration_max",
        "following_error_max",
        "quick_stop_deceleration",
        "jog_velocity",
    ):
        value: float | None = getattr(axis, key)
        if value is None:
            continue
        counts = round(value * axis.counts_per_unit)
        problem = ""
        if abs(counts) > INT32_MAX:
            problem = f"is {counts} counts, more than 32 bits hold"
        elif counts == 0 and not key.startswith("position"):
            problem = "is less than one count"
        if problem:
            yield (*base, key), value, problem, f"Check it against counts_per_unit ({axis.counts_per_unit})."
