"""How an axis stops: the bound of its stop, the steps if it does not stop, its brake, the option codes.

A stop has its ramp and `stop_margin_ms`. What has not stopped by then goes down `on_stop_failure`, each rung
for `stop_rung_ms` at most.
The `axes:` part and its checks use it, and so does the planning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from fieldstack_base.section import Section
from fieldstack_base.yaml_source import KeyPath
from fieldstack_ethercat.bus.config.configuration_slave import EntryName, Name
from fieldstack_ethercat.drives.cia402_objects import QUICK_STOP_DECELERATION
from fieldstack_ethercat.drives.stop_options import STOP_OPTIONS

if TYPE_CHECKING:
    from fieldstack_ethercat.bus.config.configuration_axis import AxisConfig
    from fieldstack_ethercat.bus.config.configuration_slave import PdoEntryConfig, SlaveConfig

Rung = Literal["quick_stop", "brake", "disable_voltage", "safe_outputs", "end_rt"]
LADDER: tuple[Rung, ...] = ("quick_stop", "disable_voltage", "safe_outputs", "end_rt")
"""Where nothing is configured; with a brake, that comes before the power is taken away."""
LADDER_WITH_BRAKE: tuple[Rung, ...] = ("quick_stop", "brake", "disable_voltage", "safe_outputs", "end_rt")
STOP_MARGIN_MS = 100
STOP_RUNG_MS = 100

Finding = tuple[KeyPath, Any, str, str]
"""Key path, value, what is wrong, what to do."""


class BrakeConfig(Section):
    """An output (one bit) that releases and applies the brake of an axis; nobody else may command it."""

    output: EntryName = Field(description="Name of an RxPDO entry of one bit.")
    slave: Name | None = Field(default=None, description="Its slave; where several have such an entry.")
    applied: int = Field(default=0, ge=0, le=1, description="The output's value with the brake applied.")


def ladder_of(axis: AxisConfig) -> tuple[Rung, ...]:
    if axis.on_stop_failure is not None:
        return tuple(axis.on_stop_failure)
    return LADDER_WITH_BRAKE if axis.brake else LADDER


def brake_places(
    brake: BrakeConfig, slaves: dict[str, SlaveConfig]
) -> list[tuple[SlaveConfig, PdoEntryConfig, int]]:
    """Slave, entry and bit offset in the slave's outputs of everything that the name may mean."""
    found = []
    for slave in slaves.values():
        if brake.slave not in (None, slave.name):
            continue
        offset = 0
        for entry in (entry for pdo in slave.pdos.rx for entry in pdo.entries):
            if entry.object and entry.entry_name == brake.output:
                found.append((slave, entry, offset))
            offset += entry.bits
    return found


def find(axis: AxisConfig, slaves: dict[str, SlaveConfig], base: KeyPath) -> Iterator[Finding]:
    """Findings about how one axis stops."""
    ladder = ladder_of(axis)
    for at, rung in enumerate(ladder):
        if rung in ladder[:at]:
            yield (*base, "on_stop_failure", at), rung, "is there twice", "Keep one of the two."
    if "brake" in ladder and axis.brake is None:
        key: KeyPath = (*base, "on_stop_failure", ladder.index("brake"))
        yield key, "brake", "the axis has no brake", "Give `brake: {output: NAME}`, or drop the rung."
    if axis.brake is not None:
        yield from _brake(axis.brake, slaves, (*base, "brake", "output"))


def _brake(brake: BrakeConfig, slaves: dict[str, SlaveConfig], key: KeyPath) -> Iterator[Finding]:
    places = brake_places(brake, slaves)
    if not places:
        yield key, brake.output, "no slave has an RxPDO entry of that name", "Map and name it under `pdos`."
    elif len(places) > 1:
        names = ", ".join(slave.name for slave, _, _ in places)
        yield key, brake.output, f"{names} have such an entry", "Give `slave`, too."
    elif places[0][1].bits != 1:
        yield key, brake.output, f"has {places[0][1].bits} bits", "A brake is one bit."
    elif places[0][0].device == "cia402":
        yield key, brake.output, "is an output of a drive", "Use an output of a terminal."


def find_in_slave(slave: SlaveConfig, base: KeyPath) -> Iterator[Finding]:
    """Start-up SDOs that say something else of the stop than the slave's stop category."""
    if slave.device != "cia402":
        return
    category = slave.effective_stop_category
    options = STOP_OPTIONS[category]
    for at, sdo in enumerate(slave.startup_sdos):
        if sdo.sub or sdo.object not in options or sdo.object == QUICK_STOP_DECELERATION:
            continue
        wanted = options[sdo.object]
        if not _says(sdo, wanted):
            yield (
                (*base, "startup_sdos", at, "value"),
                sdo.value,
                f"0x{sdo.object:04X} has to be {wanted} for stop_category {category}",
                "Drop this start-up SDO: it is written from stop_category; or change that.",
            )


def _says(sdo: Any, wanted: int) -> bool:
    try:
        return bool(sdo.encode() == wanted.to_bytes(2, "little", signed=True))
    except ValueError:
        return True  # reported elsewhere
