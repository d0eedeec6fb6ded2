"""The distributed clocks of a bus configuration: `distributed_clocks:` of the bus, `sync0:` of a slave.

`configuration.py` has its keys, `configuration_checks.py` runs its checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from fieldstack_base.section import Section
from fieldstack_base.yaml_source import KeyPath

if TYPE_CHECKING:
    from fieldstack_ethercat.bus.config.configuration import BusConfig
    from fieldstack_ethercat.bus.config.configuration_axis_checks import Finding


class DistributedClocksConfig(Section):
    """Whether the slaves' distributed clocks follow the first of them on the cable, the reference clock."""

    enabled: bool = Field(
        default=False,
        description="True: bring-up aligns the clocks, each cycle carries the reference clock's time, and "
        "RT publishes how far each clock is from it.",
    )


def find(bus: BusConfig) -> Iterator[Finding]:
    """What of the clocks contradicts the rest of the bus."""
    for at, slave in enumerate(bus.slaves):
        if slave.sync0 is None:
            continue
        base: KeyPath = ("slaves", at, "sync0")
        if not bus.distributed_clocks.enabled:
            hint = "Set `distributed_clocks: {enabled: true}` at the top of the file, or drop `sync0`."
            yield base, slave.name, "SYNC0 needs distributed clocks, and they are off", hint
        cycle_us = slave.sync0.cycle_us or bus.cycle_time_us
        longest, shortest = max(cycle_us, bus.cycle_time_us), min(cycle_us, bus.cycle_time_us)
        if longest % shortest:
            problem = f"neither a multiple nor a whole part of the bus cycle ({bus.cycle_time_us} µs)"
            yield (*base, "cycle_us"), cycle_us, problem, "Leave it out: then it is the bus cycle."
        if slave.sync0.shift_us >= cycle_us:
            hint = "It is a place within the cycle: from 0 to just below `cycle_us`."
            yield (*base, "shift_us"), slave.sync0.shift_us, f"not below the cycle ({cycle_us} µs)", hint
