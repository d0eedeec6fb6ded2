"""`fieldstack prepare`: makes all checks of `fieldstack up`, then writes the files for systemd's units.

systemd's unit fieldstack-prepare@ runs it before the cell's other units.
"""

from __future__ import annotations

from pathlib import Path

import typer

from fieldstack.cell import locations
from fieldstack.cell.configuration import load
from fieldstack.cell.launch import Launch
from fieldstack.cell.prepare import prepare
from fieldstack.host import capabilities
from fieldstack.host.prerequisites import complete_path, require
from fieldstack.host.scheduling import may_use_fifo
from fieldstack_base.instance import Instance


def run_prepare(instance: Instance, config: Path | None, interface: str | None) -> None:
    """Prints what was checked and written, and what this user cannot have."""
    complete_path()
    cell = load(locations.find(config))
    launch = Launch.of(instance, cell, interface, real_time=may_use_fifo())
    require(virtual=launch.cable is not None)
    for warning in capabilities.degradations(in_namespace=False):
        typer.echo(f"degraded: {warning}")
    written = prepare(launch)
    kind = "virtual segment" if launch.cable else "interface"
    typer.echo(f"cell {instance.name}: {len(launch.plan.slaves)} slaves on {kind} {launch.interface}")
    typer.echo("written: " + ", ".join(written))
