"""Chooses what starts and ends RT and Core: systemd's units, or command lines of our own. For `opening`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.process.local import LocalProcessManager
from fieldstack_base.instance import Instance

if TYPE_CHECKING:
    from fieldstack.process.systemd import SystemdProcessManager

    Manager = LocalProcessManager | SystemdProcessManager


def make_process_manager(settings: NonRtSettings, instance: Instance) -> Manager:
    """Starts no process.

    Raises:
        ProcessManagerError: systemd does not answer.
    """
    return _systemd(settings) if settings.process_manager == "systemd" else _local(settings, instance)


def _systemd(settings: NonRtSettings) -> SystemdProcessManager:
    from fieldstack.process.systemd import SystemdProcessManager  # brings D-Bus along

    units = {str(ProcessName.RT): settings.rt_unit}
    if settings.core_unit:
        units[ProcessName.CORE] = settings.core_unit
    return SystemdProcessManager(units, settings.target_unit)


def _local(settings: NonRtSettings, instance: Instance) -> LocalProcessManager:
    commands: dict[str, tuple[str, ...]] = {ProcessName.RT: settings.rt_command}
    pid_files = {ProcessName.RT: instance.pid_file("rt"), ProcessName.CORE: instance.pid_file("core")}
    if settings.core_command:
        commands[ProcessName.CORE] = settings.core_command
    kept = {str(name): path for name, path in pid_files.items() if name in commands}
    return LocalProcessManager(commands, instance.runtime_dir, kept, settings.process_log_bytes)
