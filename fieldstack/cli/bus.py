"""`fieldstack bus`: checks bus configurations, and writes one from the slaves on a bus."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from fieldstack.cli.errors import UsageError
from fieldstack.cli.exit_codes import epilog

VIRTUAL = "virtual"

app = typer.Typer(help="Bus configurations.", no_args_is_help=True, epilog=epilog())


@app.command(epilog=epilog())
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A bus configuration (YAML).")]) -> None:
    """Check a bus configuration; every error is named with line, key and value.

    Example:

        fieldstack bus check config/ethercat/cell.yaml
    """
    from fieldstack_ethercat.bus.config.planning import plan_from_file

    plan = plan_from_file(file)
    period_us = plan.cycle_time_ns / 1000
    typer.echo(f"{file}: valid, {len(plan.slaves)} slaves, {len(plan.axes)} axes, cycle {period_us:g} µs")


@app.command(epilog=epilog())
def scan(
    interface: Annotated[
        str | None,
        typer.Option("--interface", metavar="IF", help="Where to look; default: a virtual segment."),
    ] = None,
    devices: Annotated[
        str, typer.Option("--devices", help="Devices of the virtual segment, without --interface.")
    ] = "drive*4,dio",
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write it down as a bus configuration.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
) -> None:
    """List the slaves on the wire. This takes them to PRE-OP, so never use it beside a running cell.

    Examples:

        fieldstack bus scan --interface eth1

        fieldstack bus scan --interface eth1 --write config/ethercat/press.yaml
    """
    from fieldstack_ethercat.bus.master import scan as scanner
    from fieldstack_ethercat.bus.master import scan_document

    _refuse_beside_a_cell(interface)
    with _wire(interface, devices) as name:
        found = scanner.scan(name)
    for slave in found:
        identity = slave.found
        typer.echo(
            f"{identity.position:3}  vendor 0x{identity.vendor:08X}  product 0x{identity.product:08X}  "
            f"revision 0x{identity.revision:08X}  {identity.name}"
            + (f"  problem: {slave.problem}" if slave.problem else "")
        )
    if write is not None:
        text = scan_document.document(interface or VIRTUAL, found)
        if interface is None:
            text = text.replace(f"interface: {VIRTUAL}\n", "")  # `up` makes a segment where none is named
        scan_document.write(write, text, force=force)
        typer.echo(f"written to {write}: check names, units and limits before you use it")


def _refuse_beside_a_cell(interface: str | None) -> None:
    from fieldstack.cell.instances import cell_on

    if interface is not None and (name := cell_on(interface)) is not None:
        raise UsageError(
            f"cell {name!r} runs on interface {interface!r}: a scan would take its slaves out of OP. "
            f"End it first: fieldstack down --instance {name}"
        )


@contextmanager
def _wire(interface: str | None, devices: str) -> Iterator[str]:
    """The interface to use: the named one, or a virtual segment for as long as the block runs."""
    if interface is not None:
        yield interface
        return
    from fieldstack.cell.bench_segment import bench_segment
    from fieldstack.host import capabilities, namespace
    from fieldstack.host.prerequisites import complete_path, require
    from fieldstack_base.instance import Instance

    complete_path()
    require(virtual=True)
    instance = Instance(f"scan-{os.getpid()}")
    if capabilities.missing(capabilities.BUS):
        namespace.re_execute(instance)
    with bench_segment(instance, devices) as name:
        yield name
