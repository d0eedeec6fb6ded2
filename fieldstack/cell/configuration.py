"""Reads the cell configuration (`config/cell.yaml`): which bus, which policy, how processes are set up.

All commands that start or check a cell use it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from fieldstack.alerts.model.settings import AlertsSection
from fieldstack.health.model.settings import HealthSettings
from fieldstack.host import cpus
from fieldstack.host.cpus import Cpus
from fieldstack_base import configuration_issues, yaml_source
from fieldstack_base.configuration_error import ConfigurationError, ConfigurationIssue
from fieldstack_base.section import Section
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.description.errors import DeviceListError

Cpu = Annotated[int, Field(ge=0, le=4095)]
Priority = Annotated[int, Field(ge=1, le=98, description="SCHED_FIFO priority.")]


def _address(text: str) -> str:
    ip_address(text)
    return text


Address = Annotated[str, AfterValidator(_address)]


class SegmentSection(Section):
    """The virtual segment, used when no interface is named."""

    devices: str = Field(
        default="drive*4,dio",
        min_length=1,
        description="Devices in the order of the cable; `*4` repeats one.",
    )
    cpu: Cpu | None = Field(default=None, description="CPU of its frame thread; default: the last but one.")
    priority: Priority = 85


class RtSection(Section):
    """The RT process."""

    cpu: Cpu | None = Field(default=None, description="CPU of the cycle thread; default: the last one.")
    priority: Priority = 80
    nonrt_timeout_ms: int = Field(
        default=500, ge=50, le=60_000, description="Axes stop when Non-RT has been silent for this long."
    )
    fault_injection: bool = Field(default=False, description="Obey injected faults: benches and tests only.")


class GuardSection(Section):
    """The guard thread of the Non-RT process."""

    cpu: Cpu | None = Field(default=None, description="CPU of the guard; default: not the cycle's.")
    priority: Priority = 70
    threshold_cycles: int = Field(
        default=5, ge=2, le=10_000, description="Cycles without progress that count as a hang."
    )


class CallSection(Section):
    """A Python function that tasks may call."""

    function: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="Where it is: `module:function`."
    )
    timeout_ms: int = Field(default=10_000, ge=1, le=86_400_000, description="The call fails after it.")


CallName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class CoreSection(Section):
    """The Main Core process and its tasks."""

    program: Literal["demo", "none"] = Field(
        default="demo", description="`demo`: a task that keeps the axes moving; `none`: only submitted tasks."
    )
    lead_ms: int = Field(default=200, ge=50, le=1000, description="Setpoints kept ahead of the cycle.")
    speed_percent: int = Field(default=60, ge=1, le=100, description="Share of the axes' limits.")
    dwell_ms: int = Field(default=150, ge=0, le=60_000, description="Rest at each way point of the demo.")
    calls: dict[CallName, CallSection] = Field(default={}, description="What the task step `call` may name.")
    call_folder: Path | None = Field(
        default=None, strict=False, description="Where their modules are, beside what is installed."
    )
    fault_injection: bool = Field(default=False, description="Obey injected faults: benches and tests only.")


class HealthSection(Section):
    """The health server: /livez, /readyz, /startupz, /healthz, /metrics, and commands with a token."""

    enabled: bool = True
    host: Address = Field(default="127.0.0.1", description="IP address to listen on; default: loopback.")
    port: int = Field(default=9120, ge=0, le=65535, description="TCP port; 0: any free one.")
    remote_commands: bool = Field(
        default=False, description="Take commands (with the token) from other machines, too."
    )
    live_grace_s: float = Field(
        default=10.0, ge=1, le=3600, description="Non-RT may be gone for so long before /livez fails."
    )
    disk_warn_percent: int = Field(default=90, ge=1, le=100, description="Used space from which it warns.")
    disk_fail_percent: int = Field(default=98, ge=1, le=100, description="Used space from which it fails.")

    def settings(self, instance: str) -> HealthSettings:
        """The settings as the health server reads them."""
        return HealthSettings(
            instance,
            self.host,
            self.port,
            self.remote_commands,
            self.live_grace_s,
            self.disk_warn_percent / 100,
            self.disk_fail_percent / 100,
        )


MemoryLimit = Annotated[int, Field(ge=0, le=1 << 24, description="MiB of resident memory; 0: none.")]


class MemoryLimitSection(Section):
    """Memory that each process may use. Use is compared with it (`memory_high`) and predicted; it is not
    enforced.

    A process without a limit here is compared with its other limits, and if there are none with the host's
    memory.
    """

    rt: MemoryLimit = 512
    core: MemoryLimit = 512
    nonrt: MemoryLimit = 512


class CellConfig(Section):
    """A cell. Paths are relative to the file that names them."""

    bus: Path = Field(strict=False, description="Bus configuration (YAML).")
    policy: Path = Field(strict=False, description="Failover policy (JSON).")
    segment: SegmentSection = SegmentSection()
    rt: RtSection = RtSection()
    guard: GuardSection = GuardSection()
    core: CoreSection = CoreSection()
    health: HealthSection = HealthSection()
    memory_limit_mb: MemoryLimitSection = MemoryLimitSection()
    alerts: AlertsSection = AlertsSection()
    auto_start: bool | None = Field(
        None,
        description="The axes move at the cell's first start without `fieldstack start`. Unset: under "
        "`fieldstack up`, which a person asks for, but not where systemd starts the cell.",
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell configuration with the files that it names; all have been read and checked."""

    file: Path
    config: CellConfig
    plan: BusPlan
    policy_file: Path

    def alerts(self) -> AlertsSection:
        """Section `alerts` with the paths of its files made absolute."""
        return self.config.alerts.beside(self.file.resolve().parent)


@dataclass(frozen=True, slots=True)
class CpuPlacement:
    """Which CPU each real-time thread is pinned to."""

    rt: int
    guard: int
    segment: int


def place(config: CellConfig, available: Cpus) -> CpuPlacement:
    """The CPUs as configured. By default the cycle gets an isolated one or the last, and everything else the
    first."""
    rt = config.rt.cpu if config.rt.cpu is not None else available.for_cycle
    guard = config.guard.cpu if config.guard.cpu is not None else available.for_rest
    segment = config.segment.cpu if config.segment.cpu is not None else available.for_rest
    return CpuPlacement(rt=rt, guard=guard, segment=segment)


def parse(text: str, file: str) -> CellConfig:
    """Reads the configuration from a text; `file` is its name in errors.

    Raises:
        ConfigurationError: names everything wrong with it: file, line, key, value, what is allowed.
    """
    document = yaml_source.parse(text, file, "cell configuration")
    try:
        return CellConfig.model_validate(document.data)
    except ValidationError as error:
        raise ConfigurationError(file, configuration_issues.of(error, CellConfig, document)) from error


def load(path: Path) -> Cell:
    """Reads a cell from its file, with its bus configuration and policy, and checks all of them.

    Raises:
        ConfigurationError: the file, or the bus configuration that it names, is not usable.
        PolicyError: the policy that it names is not usable.
    """
    from fieldstack.ha.policy import load_policy
    from fieldstack.ha.policy.files.cell_targets import require_targets

    config = parse(_read(path), str(path))
    _check_cpus(config, path)
    _check_devices(config, path)
    plan = plan_from_file(_beside(path, config.bus))
    policy_file = _beside(path, config.policy)
    policy = load_policy(policy_file)
    cycle_us = plan.cycle_time_ns // 1000
    require_targets(policy, str(policy_file), cycle_us=cycle_us, stop_ms=plan.stop_ms)
    return Cell(file=path, config=config, plan=plan, policy_file=policy_file)


def _beside(path: Path, named: Path) -> Path:
    return (path.resolve().parent / named).resolve()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "Name a cell configuration with --config, for example config/cell.yaml."
        issue = ConfigurationIssue("", "", f"cannot be read: {reason}", hint)
        raise ConfigurationError(path, (issue,)) from error


def _check_cpus(config: CellConfig, path: Path) -> None:
    allowed = cpus.read().usable
    chosen = {"rt.cpu": config.rt.cpu, "guard.cpu": config.guard.cpu, "segment.cpu": config.segment.cpu}
    issues = tuple(
        ConfigurationIssue(
            key, str(cpu), "this machine has no such CPU", f"CPUs here: {', '.join(map(str, allowed))}."
        )
        for key, cpu in chosen.items()
        if cpu is not None and cpu not in allowed
    )
    if issues:
        raise ConfigurationError(path, issues)


def _check_devices(config: CellConfig, path: Path) -> None:
    try:
        parse_devices(config.segment.devices)
    except DeviceListError as error:
        hint = 'Devices in the order of the cable, for example "drive*4,dio".'
        issue = ConfigurationIssue("segment.devices", config.segment.devices, error.reason, hint)
        raise ConfigurationError(path, (issue,)) from error


def schema_text() -> str:
    """The JSON Schema as it is committed as `config/cell.schema.json`."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **CellConfig.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
