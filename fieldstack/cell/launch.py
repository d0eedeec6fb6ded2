"""Makes the command lines and files with which the processes of a cell start.

`fieldstack up`, `fieldstack prepare` (for systemd) and `fieldstack-nonrt run --config` use it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fieldstack.cell.cable import SEGMENT_MODULE, Cable
from fieldstack.cell.configuration import Cell, CpuPlacement, place
from fieldstack.ha.policy.files.cache import load_compiled
from fieldstack.ha.policy.in_force.cell_times import CellTimes
from fieldstack.health.model.settings import settings_file as health_settings_file
from fieldstack.host import cpus
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.tasks.program.settings import CoreSettings, EntryPoint
from fieldstack_base.clock import boot_id
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_to_json

PLAIN_THRESHOLD_CYCLES = 60
"""The lowest threshold of the guard without real-time priority."""


@dataclass(frozen=True, slots=True)
class Launch:
    """All decisions made before a cell starts. `cable` is None on a real interface."""

    instance: Instance
    cell: Cell
    plan: BusPlan
    interface: str
    cable: Cable | None
    cpus: CpuPlacement
    real_time: bool = True
    """The kernel grants SCHED_FIFO."""

    @classmethod
    def of(cls, instance: Instance, cell: Cell, interface: str | None, *, real_time: bool = True) -> Launch:
        plan = cell.plan
        chosen = interface or plan.interface
        cable = None if chosen else Cable.of(instance)
        placed = place(cell.config, cpus.read())
        return cls(instance, cell, plan, chosen or (cable.master if cable else ""), cable, placed, real_time)

    @property
    def settings_file(self) -> Path:
        return self.instance.runtime_dir / "nonrt.json"

    @property
    def alerts_file(self) -> Path:
        return self.instance.runtime_dir / "alerts.json"

    def write_files(self, settings: NonRtSettings | None = None) -> None:
        """Writes bus plan, compiled policy and settings for the processes to read. Raises PolicyError."""
        self.instance.prepare()
        self.instance.plan_file.write_text(plan_to_json(self.plan), encoding="utf-8")
        settings = settings or self.settings()
        times = CellTimes(
            self.plan.cycle_time_ns // 1000, settings.supervision_interval_ms, self.plan.stop_ms
        )
        load_compiled(self.cell.policy_file, self.instance.policy_cache, times)
        self.core_settings().write(self.instance.core_settings_file)
        settings.write(self.settings_file)
        self._write_health_settings()
        self.alerts_file.write_text(self.cell.alerts().model_dump_json(indent=2) + "\n", encoding="utf-8")

    def _write_health_settings(self) -> None:
        """The health server's settings; None without a health server, because its unit looks for the file."""
        file = health_settings_file(self.instance)
        if self.cell.config.health.enabled:
            self.cell.config.health.settings(self.instance.name).write(file)
        else:
            file.unlink(missing_ok=True)

    def settings(self) -> NonRtSettings:
        guard = self.cell.config.guard
        limits = self.cell.config.memory_limit_mb
        return NonRtSettings(
            instance=self.instance.name,
            policy_path=str(self.cell.policy_file),
            rt_command=self.rt_command(),
            core_command=self.core_command(),
            health_server=self.cell.config.health.enabled,
            alerts_file=str(self.alerts_file),
            guard_cpu=self.cpus.guard,
            guard_priority=guard.priority,
            guard_threshold_cycles=self.threshold_cycles(),
            fault_injection=self.cell.config.rt.fault_injection,
            rt_memory_limit_mb=limits.rt,
            core_memory_limit_mb=limits.core,
            nonrt_memory_limit_mb=limits.nonrt,
            life=f"{boot_id()}-{time.monotonic_ns()}",
            auto_start=bool(self.cell.config.auto_start),
        )

    def threshold_cycles(self) -> int:
        """The guard's threshold. A cycle without real-time priority is late on a busy machine, and this is no
        hang."""
        configured = self.cell.config.guard.threshold_cycles
        return configured if self.real_time else max(configured, PLAIN_THRESHOLD_CYCLES)

    def rt_command(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "fieldstack_rt", *self.rt_arguments())

    def rt_arguments(self) -> tuple[str, ...]:
        rt = self.cell.config.rt
        return (
            *("run", "--instance", self.instance.name, "--plan", str(self.instance.plan_file)),
            *("--interface", self.interface, "--cpu", str(self.cpus.rt)),
            *("--priority", str(rt.priority), "--nonrt-timeout-ms", str(rt.nonrt_timeout_ms)),
            *(["--fault-injection"] if rt.fault_injection else []),
        )

    def core_command(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "fieldstack.tasks", *self.core_arguments())

    def core_arguments(self) -> tuple[str, ...]:
        return (
            *("run", "--instance", self.instance.name, "--plan", str(self.instance.plan_file)),
            *("--settings", str(self.instance.core_settings_file)),
        )

    def core_settings(self) -> CoreSettings:
        core = self.cell.config.core
        folder = core.call_folder
        return CoreSettings(
            lead_ms=core.lead_ms,
            speed_percent=core.speed_percent,
            dwell_ms=core.dwell_ms,
            demo=core.program == "demo",
            calls={name: EntryPoint(call.function, call.timeout_ms) for name, call in core.calls.items()},
            call_folder=str((self.cell.file.resolve().parent / folder).resolve()) if folder else "",
            fault_injection=core.fault_injection,
        )

    def health_command(self) -> tuple[str, ...] | None:
        if not self.cell.config.health.enabled:
            return None
        file = health_settings_file(self.instance)
        return (sys.executable, "-m", "fieldstack.cli.health", "--settings", str(file))

    def nonrt_command(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "fieldstack.nonrt", "--settings", str(self.settings_file))

    def segment_command(self, cable: Cable) -> tuple[str, ...]:
        return (sys.executable, "-m", SEGMENT_MODULE, *self.segment_arguments(cable))

    def segment_arguments(self, cable: Cable) -> tuple[str, ...]:
        segment = self.cell.config.segment
        return (
            *("--interface", cable.segment, "--devices", segment.devices),
            *("--socket", str(self.instance.segment_socket)),
            *("--encoders", str(self.instance.state_dir / "encoders")),
            *("--cpu", str(self.cpus.segment), "--priority", str(segment.priority)),
        )
