"""`fieldstack segment run, cable, truth`: runs a virtual segment, shows what its slaves really do.

systemd's unit fieldstack-segment@ uses the first two. The commands that order faults on a segment are in
segment_line.py, segment_slaves.py and segment_faults.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from fieldstack.cli.exit_codes import ExitCode, epilog
from fieldstack.cli.options import INSTANCE, InstanceOption, JsonOption, instance_of
from fieldstack.cli.screen.terminal import terminal
from fieldstack.status.snapshot_bus import al_text
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_ethercat.segment.truth import SlaveTruth

app = typer.Typer(
    help="The virtual segment: run one, order faults, read the truth.", no_args_is_help=True, epilog=epilog()
)
SlaveArgument = Annotated[int, typer.Argument(metavar="SLAVE", min=0, help="Position in the chain, from 0.")]


def order(instance: str, command: Callable[[SegmentClient], int]) -> None:
    """Orders a fault and prints when it took effect."""
    with SegmentClient(instance_of(instance).segment_socket) as client:
        stamp_ns = command(client)
    typer.echo(f"done at {stamp_ns / 1e9:.6f} s (CLOCK_MONOTONIC)")


@app.command(epilog=epilog())
def run(  # noqa: PLR0917 - typer makes options of them, by name
    interface: Annotated[
        str, typer.Option("--interface", metavar="IF", help="The segment's end of a veth pair.")
    ],
    devices: Annotated[str, typer.Option("--devices", help="In the order of the cable.")] = "drive*4,dio",
    instance: InstanceOption = INSTANCE,
    socket: Annotated[
        Path | None, typer.Option("--socket", help="Control socket; default: the instance's.")
    ] = None,
    cpu: Annotated[int, typer.Option("--cpu", help="CPU of the frame thread; -1: any.")] = 0,
    priority: Annotated[int, typer.Option("--priority", help="SCHED_FIFO priority; 0: none.")] = 85,
    watchdog_ms: Annotated[
        float, typer.Option("--watchdog-ms", help="Process data watchdog; 0: off.")
    ] = 100.0,
    encoders: Annotated[
        Path | None,
        typer.Option("--encoders", metavar="FILE", help="Keeps where the motors stand; default: all at 0."),
    ] = None,
) -> None:
    """Answer frames on an interface as a chain of slaves, until Ctrl-C.

    Example, with a master on the other end:

        ip link add ec-m type veth peer name ec-s && ip link set ec-m up && ip link set ec-s up

        fieldstack segment run --interface ec-s --devices "drive*4,dio"
    """
    from fieldstack_ethercat.segment.__main__ import main as run_segment

    chosen = instance_of(instance)
    if socket is None:
        chosen.prepare()
    arguments = [
        "--interface",
        interface,
        "--devices",
        devices,
        "--cpu",
        str(cpu),
        "--priority",
        str(priority),
    ]
    arguments += ["--socket", str(socket or chosen.segment_socket), "--watchdog-ms", str(watchdog_ms)]
    arguments += ["--encoders", str(encoders)] if encoders else []
    raise typer.Exit(run_segment(arguments) and ExitCode.FAILED)


@app.command(epilog=epilog())
def cable(
    instance: InstanceOption = INSTANCE,
    remove: Annotated[bool, typer.Option("--remove", help="Take it away instead.")] = False,
) -> None:
    """Make the virtual cable between an instance's master and its segment, unless it is there already.

    The unit fieldstack-segment@NAME.service does this; `fieldstack up` makes its own.
    """
    from fieldstack.cell.cable import Cable
    from fieldstack.host.prerequisites import complete_path
    from fieldstack_ethercat.segment.veth import create_veth, delete_veth

    complete_path()
    ends = Cable.of(instance_of(instance))
    if remove:
        delete_veth(ends.master)
    elif not Path("/sys/class/net", ends.master).exists():
        create_veth(ends.master, ends.segment)


@app.command(epilog=epilog())
def truth(instance: InstanceOption = INSTANCE, as_json: JsonOption = False) -> None:
    """Show what every slave really does, whatever the master believes."""
    with SegmentClient(instance_of(instance).segment_socket) as client:
        slaves = client.truth()
    if as_json:
        print(json.dumps([slave.to_json() for slave in slaves], indent=2))
        return
    table = Table("slave", "device", "AL", "code", "outputs", "safe", "position", "velocity", box=None)
    for slave in slaves:
        table.add_row(*_row(slave))
    terminal().print(table)


def _row(slave: SlaveTruth) -> tuple[str, ...]:
    state = al_text(slave.al_status) if slave.powered else "off"
    return (
        str(slave.position_in_chain),
        slave.device,
        state if slave.reached or not slave.powered else f"{state} (cut off)",
        f"0x{slave.al_status_code:04X}",
        slave.outputs.hex(),
        "safe" if slave.safe else "live",
        f"{slave.position:.0f}",
        f"{slave.velocity:.0f}",
    )
