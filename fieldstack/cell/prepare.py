"""Writes the files for the systemd units of a cell: bus plan, Non-RT's settings, and the command lines.

`fieldstack prepare` calls it after its checks.
"""

from __future__ import annotations

import shlex
from dataclasses import replace

from fieldstack.cell.launch import Launch
from fieldstack.nonrt.settings import NonRtSettings

ENVIRONMENT_FILE = "units.env"
_SPECIAL = str.maketrans({character: "\\" + character for character in '\\"`$'})


def prepare(launch: Launch) -> tuple[str, ...]:
    """Writes all files to the instance's runtime folder; returns their names. Raises OSError."""
    launch.write_files(settings(launch))
    environment = launch.instance.runtime_dir / ENVIRONMENT_FILE
    lines = [f"{name}={quoted(value)}\n" for name, value in variables(launch).items()]
    environment.write_text("".join(lines), encoding="utf-8")
    return tuple(str(file) for file in (launch.instance.plan_file, launch.settings_file, environment))


def settings(launch: Launch) -> NonRtSettings:
    """Non-RT's settings: as under `up`, but RT and Core are units of systemd and survive an end of Non-RT."""
    name = launch.instance.name
    made = launch.settings()
    return replace(
        made,
        leave_running=True,
        rt_spare=False,
        process_manager="systemd",
        rt_unit=f"fieldstack-rt@{name}.service",
        core_unit=f"fieldstack-core@{name}.service" if made.core_command else "",
        target_unit=f"fieldstack@{name}.target",
    )


def variables(launch: Launch) -> dict[str, str]:
    """The arguments of each unit's program, which systemd splits at blanks again."""
    found = {"FIELDSTACK_RT": shlex.join(launch.rt_arguments())}
    if launch.core_command():
        found["FIELDSTACK_CORE"] = shlex.join(launch.core_arguments())
    if launch.cable:
        found["FIELDSTACK_SEGMENT"] = shlex.join(("segment", "run", *launch.segment_arguments(launch.cable)))
    return found


def quoted(value: str) -> str:
    """A value as it is written in a file for EnvironmentFile=."""
    return f'"{value.translate(_SPECIAL)}"'
