"""The `start_input:` part of a bus configuration: the button with which people start the axes.

`configuration.py` has its keys, `configuration_checks.py` runs its checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from fieldstack_base.section import Section
from fieldstack_ethercat.bus.config.configuration_slave import Name

if TYPE_CHECKING:
    from fieldstack_ethercat.bus.config.configuration import BusConfig
    from fieldstack_ethercat.bus.config.configuration_axis_checks import Finding
    from fieldstack_ethercat.bus.config.configuration_slave import SlaveConfig


class StartInputConfig(Section):
    """A digital input whose rising edge is a start, once it was seen low while the axes waited for one."""

    slave: Name = Field(description="A slave without an axis.")
    input: Name = Field(description="The name of one of its inputs, of one bit.")


def inputs_of(slave: SlaveConfig) -> dict[str, int]:
    """Its named inputs of one bit, and where each is in its input image."""
    found, at = {}, 0
    for pdo in slave.pdos.tx:
        for entry in pdo.entries:
            if entry.bits == 1 and entry.name:
                found[entry.name] = at
            at += entry.bits
    return found


def find(bus: BusConfig) -> Iterator[Finding]:
    """All findings about the start input of a bus."""
    wanted = bus.start_input
    if wanted is None:
        return
    driven = {axis.slave for axis in bus.axes}
    slaves = {slave.name: slave for slave in bus.slaves if slave.name not in driven}
    if wanted.slave not in slaves:
        known = ", ".join(slaves) or "none"
        yield (
            ("start_input", "slave"),
            wanted.slave,
            "no slave without an axis has this name",
            f"Known: {known}.",
        )
        return
    inputs = inputs_of(slaves[wanted.slave])
    if wanted.input not in inputs:
        known = ", ".join(inputs) or "none"
        yield (
            ("start_input", "input"),
            wanted.input,
            f"slave {wanted.slave} has no input of one bit with this name",
            f"Its inputs of one bit: {known}.",
        )
