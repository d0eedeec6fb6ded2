"""Bus plans for benchmarks on the virtual segment: any list of its devices. `bench cycle` uses them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fieldstack.cell import locations
from fieldstack_base.configuration_error import ConfigurationError, ConfigurationIssue
from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.bus.config.plan import BusPlan, GroupPlan
from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_ethercat.bus.config.slave_plan import SlavePlan
from fieldstack_ethercat.segment.catalogue import Device, parse_devices
from fieldstack_ethercat.segment.objects.device_type import VENDOR_ID


def plan_for(devices: str, cycle_us: int, file: Path | None = None) -> BusPlan:
    """A plan for these devices, each like the first of its product in the bus configuration.

    `file` is a bus configuration; default: the demo cell's. Every drive gets an axis.

    Raises:
        DeviceListError: the list names no device, or an unknown one.
        ConfigurationError: the bus configuration has none of a device, or is not usable.
    """
    base = plan_from_file(file or demo_bus())
    slaves: list[SlavePlan] = []
    axes: list[AxisPlan] = []
    for position, device in enumerate(parse_devices(devices)):
        like = _first(base, device)
        slaves.append(replace(like, position=position, name=f"{device.value.name}-{position + 1}"))
        axis = next((axis for axis in base.axes if axis.slave == like.position), None)
        if axis is not None:
            axes.append(replace(axis, slave=position, name=f"axis-{position + 1}"))
    return replace(
        base,
        interface="",
        cycle_time_ns=cycle_us * 1000,
        receive_timeout_us=min(base.receive_timeout_us, cycle_us // 2),
        slaves=tuple(slaves),
        axes=tuple(axes),
        groups=(GroupPlan("all", tuple(range(len(axes))), tuple(range(len(slaves))), True, ()),),
    )


def demo_bus() -> Path:
    """The bus configuration of the demo cell, next to the cell configuration that is found first."""
    return locations.find(None).parent / "ethercat" / "cell.yaml"


def _first(base: BusPlan, device: Device) -> SlavePlan:
    for slave in base.slaves:
        if (slave.vendor, slave.product) == (VENDOR_ID, device.value.product_code):
            return slave
    hint = "Name a bus configuration that has one with --config."
    issue = ConfigurationIssue("slaves", device.value.name, "it has no slave of this product", hint)
    raise ConfigurationError(base.source, (issue,))
