"""Bus configuration: YAML in, every value bounded, everything wrong with it said at once, a `BusPlan` out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from fieldstack_base import configuration_issues, yaml_source
from fieldstack_base.configuration_error import CROSS_CHECK, ConfigurationError, ConfigurationIssue
from fieldstack_base.section import Section
from fieldstack_ethercat.bus.config.configuration_axis import AxisConfig
from fieldstack_ethercat.bus.config.configuration_checks import find_conflicts
from fieldstack_ethercat.bus.config.configuration_clocks import DistributedClocksConfig
from fieldstack_ethercat.bus.config.configuration_group import GroupConfig
from fieldstack_ethercat.bus.config.configuration_slave import SlaveConfig
from fieldstack_ethercat.bus.config.configuration_start import StartInputConfig
from fieldstack_ethercat.bus.config.plan import MAX_AXES, MAX_SLAVES

if TYPE_CHECKING:
    from fieldstack_ethercat.bus.config.plan import BusPlan

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

    _source: str = PrivateAttr(default="")
    _digest: str = PrivateAttr(default="")

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

    @classmethod
    def from_file(cls, path: str | Path) -> BusConfig:
        """Read and check a configuration file. ConfigurationError names everything wrong with it."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = "Give the path of a bus configuration, e.g. config/ethercat/cell.yaml."
            raise ConfigurationError(
                path, (ConfigurationIssue("", "", f"cannot be read: {reason}", hint),)
            ) from error
        return cls.from_text(text, str(path))

    @classmethod
    def from_text(cls, text: str, file: str = "<text>") -> BusConfig:
        """The same from text; `file` is what errors call it."""
        document = yaml_source.parse(text, file)
        config = cls.from_data(document.data, file, document)
        config._digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return config

    @classmethod
    def from_data(
        cls, data: Any, file: str = "<data>", document: yaml_source.YamlDocument | None = None
    ) -> BusConfig:
        """The same from parsed data; lines are known if the document it came from is given."""
        document = document or yaml_source.YamlDocument(data, None)
        try:
            config = cls.model_validate(data)
        except ValidationError as error:
            raise ConfigurationError(file, configuration_issues.of(error, cls, document)) from error
        config._source = Path(file).name
        return config

    def to_plan(self) -> BusPlan:
        """The plan that bring-up, cycle and guard work from."""
        from fieldstack_ethercat.bus.config.planning import make_plan

        digest = self._digest or hashlib.sha256(self.model_dump_json().encode()).hexdigest()
        return make_plan(self, source=self._source, digest=digest)
