"""The bus plan: a validated bus configuration as plain data, quick to load.

The real-time process and the guard read it without pydantic. `planning.py` makes it, `plan_json.py` writes
it down and reads it.
Units: bits and bytes as named, times in nanoseconds unless the name says otherwise, axes in their user unit.
"""

from __future__ import annotations

from dataclasses import dataclass

from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.bus.config.slave_plan import SlavePlan

READ_BACK_MS = 50
"""Extra time after the longest stop, until the process that ordered it has read back its end."""
MAX_SLAVES = 199
"""SOEM's slave list has 200 places, of which the first stands for the master."""
MAX_AXES = 64
"""FS_MAX_AXES of the shared memory's layout."""
MAX_PROCESS_IMAGE = 4096
"""pysoem's process image, outputs and inputs together."""


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
