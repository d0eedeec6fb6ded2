"""`fieldstack segment drive-fault, ignore ...`: faults in the devices of a virtual segment."""

from __future__ import annotations

from typing import Annotated

import typer

from fieldstack.cli.exit_codes import epilog
from fieldstack.cli.options import INSTANCE, InstanceOption
from fieldstack.cli.segment import SlaveArgument, order
from fieldstack_ethercat.segment.description.defects import WORDS, ObjectFault, defects_of

app = typer.Typer()


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

    Each call replaces the defects of the call before.

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
    """Let an object of a slave be absent, or ignore what is written to it. Example: object-fault 1 0x605A"""
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
