"""Defines what a bus configuration may say: its keys and their bounds.

`loading.py` reads one from a file, `planning.py` makes the `BusPlan` from it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fieldstack_base.configuration_error import CROSS_CHECK
from fieldstack_base.section import Section
from fieldstack_ethercat.bus.config.configuration_axis import AxisConfig
from fieldstack_ethercat.bus.config.configuration_checks import find_conflicts
from fieldstack_ethercat.bus.config.configuration_clocks import DistributedClocksConfig
from fieldstack_ethercat.bus.config.configuration_group import GroupConfig
from fieldstack_ethercat.bus.config.configuration_slave import SlaveConfig
from fieldstack_ethercat.bus.config.configuration_start import StartInputConfig
from fieldstack_ethercat.bus.config.plan import MAX_AXES, MAX_SLAVES

InterfaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}$")]


class BusConfig(Section):
    """A bus: its interface, its cycle, its slaves in the order of the cable, its axes."""

    interface: InterfaceName | None = Field(
        default=None, description="Network interface; the command line can override it."
    )
    cycle_time_us: int = Field(default=1000, ge=250, le=10_000, description="Time between two exchanges.")
    receive_timeout_us: int | None = Field(
        default=None,
        ge=50,
        le=10_000,
        description="How long the cycle waits for its frame; default: half the cycle time.",
    )
    watchdog_ms: int = Field(
        default=100,
        ge=1,
        le=6553,
        description="Process data watchdog of the slaves (register 0x0420): at least 3 cycles.",
    )
    distributed_clocks: DistributedClocksConfig = DistributedClocksConfig()
    slaves: list[SlaveConfig] = Field(min_length=1, max_length=MAX_SLAVES)
    axes: list[AxisConfig] = Field(default=[], max_length=MAX_AXES)
    groups: list[GroupConfig] = Field(
        default=[],
        max_length=MAX_AXES,
        description="Axes that stop together; default: all are one essential group.",
    )
    start_input: StartInputConfig | None = Field(
        default=None, description="The input with which people start the axes; default: there is none."
    )
    loss_diagnosis_ms: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="How long axes go on while it is found out which slave of a non-essential group is lost.",
    )
    lost_cycles_limit: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Cycles lost, skipped or with a wrong working counter, in a row, that stop the axes.",
    )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> BusConfig:
        findings = tuple(find_conflicts(self))
        if findings:
            raise PydanticCustomError(CROSS_CHECK, "parts of the configuration contradict", {"of": findings})
        return self

    @property
    def effective_receive_timeout_us(self) -> int:
        return self.receive_timeout_us or self.cycle_time_us // 2

    def watchdog_of(self, slave: SlaveConfig) -> int:
        """The slave's process data watchdog in ms."""
        return slave.watchdog_ms or self.watchdog_ms
