"""`fieldstack segment`: runs a virtual segment, orders faults on it, shows what its slaves really do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from fieldstack.cli.exit_codes import ExitCode, epilog
from fieldstack.cli.options import INSTANCE, InstanceOption, JsonOption, instance_of
from fieldstack.cli.terminal import terminal
from fieldstack.status.snapshot_bus import al_text
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_ethercat.segment.description.defects import WORDS, ObjectFault, defects_of
from fieldstack_ethercat.segment.truth import SlaveTruth

app = typer.Typer(
    help="The virtual segment: run one, order faults, read the truth.", no_args_is_help=True, epilog=epilog()
)
SlaveArgument = Annotated[int, typer.Argument(metavar="SLAVE", min=0, help="Position in the chain, from 0.")]
OptionalSlave = Annotated[
    int | None, typer.Argument(metavar="[SLAVE]", min=0, help="Position in the chain, from 0.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All slaves at once.")]
CountArgument = Annotated[int, typer.Argument(metavar="COUNT", min=0, help="Number of frames.")]


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
def cut(
    after: Annotated[
        int, typer.Argument(metavar="AFTER", min=0, help="Slaves before the cut; 0: none answers.")
    ],
    instance: InstanceOption = INSTANCE,
) -> None:
    """Cut the cable behind the first AFTER slaves."""
    order(instance, lambda client: client.cut_cable(after))


@app.command(epilog=epilog())
def heal(instance: InstanceOption = INSTANCE) -> None:
    """Mend a cut cable."""
    order(instance, lambda client: client.heal_cable())


@app.command("power-off", epilog=epilog())
def power_off(
    slave: OptionalSlave = None, everywhere: AllOption = False, instance: InstanceOption = INSTANCE
) -> None:
    """Take a slave's power away, or with --all that of the whole bus: frames end before it."""
    if everywhere:
        order(instance, lambda client: client.power_off_all())
    else:
        chosen = _one(slave)
        order(instance, lambda client: client.power_off(chosen))


@app.command("power-on", epilog=epilog())
def power_on(
    slave: OptionalSlave = None, everywhere: AllOption = False, instance: InstanceOption = INSTANCE
) -> None:
    """Give a slave its power back, or with --all the whole bus: in INIT, without station address."""
    if everywhere:
        order(instance, lambda client: client.power_on_all())
    else:
        chosen = _one(slave)
        order(instance, lambda client: client.power_on(chosen))


def _one(slave: int | None) -> int:
    if slave is None:
        raise typer.BadParameter("give a slave's position, or --all")
    return slave


@app.command(epilog=epilog())
def drop(count: CountArgument, instance: InstanceOption = INSTANCE) -> None:
    """Lose the next COUNT frames."""
    order(instance, lambda client: client.drop_frames(count))


@app.command(epilog=epilog())
def delay(
    count: CountArgument,
    us: Annotated[int, typer.Argument(metavar="US", min=1, help="Microseconds.")],
    instance: InstanceOption = INSTANCE,
) -> None:
    """Answer the next COUNT frames US microseconds late."""
    order(instance, lambda client: client.delay_frames(count, us))


@app.command(epilog=epilog())
def corrupt(count: CountArgument, instance: InstanceOption = INSTANCE) -> None:
    """Damage the next COUNT frames on the line."""
    order(instance, lambda client: client.corrupt_frames(count))


@app.command("drive-fault", epilog=epilog())
def drive_fault(
    slave: SlaveArgument,
    code: Annotated[
        str, typer.Option("--code", help="Error code, as object 0x603F will show it.")
    ] = "0x7500",
    instance: InstanceOption = INSTANCE,
) -> None:
    """Make a drive fail. Example: fieldstack segment drive-fault 2 --code 0x2310"""
    try:
        number = int(code, 0)
    except ValueError:
        raise typer.BadParameter(f"{code!r} is no number; write for example 0x7500") from None
    order(instance, lambda client: client.drive_fault(slave, number))


@app.command(epilog=epilog())
def ignore(
    slave: SlaveArgument,
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WHAT]...", help=f"Any of {', '.join(WORDS)}; none: it obeys."),
    ] = None,
    ramp_percent: Annotated[
        float, typer.Option("--ramp", metavar="PERCENT", min=0.1, max=100, help="Of a ramp's deceleration.")
    ] = 100.0,
    instance: InstanceOption = INSTANCE,
) -> None:
    """Let a drive ignore what it should obey, show wrong values, or slow down too slowly.

    What is named replaces what was named before.

    Examples:

        fieldstack segment ignore 1 quick-stop setpoints

        fieldstack segment ignore 1 --ramp 20

        fieldstack segment ignore 1
    """
    try:
        defects = defects_of(what or ())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    share = 0 if ramp_percent >= 100 else round(ramp_percent * 10)
    order(instance, lambda client: client.ignore(slave, defects, share))


@app.command("object-fault", epilog=epilog())
def object_fault(
    slave: SlaveArgument,
    index: Annotated[str, typer.Argument(metavar="OBJECT", help="Index of the object: 0x605A")],
    fault: Annotated[
        str, typer.Argument(metavar="FAULT", help="absent, read-only, forgets or none")
    ] = "absent",
    instance: InstanceOption = INSTANCE,
) -> None:
    """Let an object of a slave be absent, or not take what is written. Example: object-fault 1 0x605A"""
    try:
        number, kind = int(index, 0), ObjectFault[fault.replace("-", "_").upper()]
    except (ValueError, KeyError):
        raise typer.BadParameter(f"{index} {fault}: write for example 0x605A absent") from None
    order(instance, lambda client: client.object_fault(slave, number, kind))


@app.command("dc-lose", epilog=epilog())
def dc_lose(
    slave: SlaveArgument,
    heal: Annotated[bool, typer.Option("--heal", help="It follows again.")] = False,
    instance: InstanceOption = INSTANCE,
) -> None:
    """Let a drive's distributed clock run away from the reference clock."""
    order(instance, lambda client: client.dc_follow(slave) if heal else client.dc_lose(slave))


@app.command("clock-drift", epilog=epilog(), context_settings={"ignore_unknown_options": True})
def clock_drift(
    slave: SlaveArgument,
    ppm: Annotated[int, typer.Argument(metavar="PPM", min=-1000, max=1000, help="Parts per million.")],
    instance: InstanceOption = INSTANCE,
) -> None:
    """Set the rate error of a drive's oscillator. Example: fieldstack segment clock-drift 2 -30"""
    order(instance, lambda client: client.clock_drift(slave, ppm))


@app.command("set-inputs", epilog=epilog())
def set_inputs(
    slave: SlaveArgument,
    bits: Annotated[str, typer.Argument(metavar="BITS", help="Bit 0 is the first input: 0b101, 5 ...")],
    instance: InstanceOption = INSTANCE,
) -> None:
    """Set the input clamps of a digital terminal."""
    try:
        number = int(bits, 0)
    except ValueError:
        raise typer.BadParameter(f"{bits!r} is no number; write for example 0b101") from None
    order(instance, lambda client: client.set_inputs(slave, number))


@app.command(epilog=epilog())
def truth(instance: InstanceOption = INSTANCE, as_json: JsonOption = False) -> None:
    """What every slave really does, whatever the master believes."""
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
