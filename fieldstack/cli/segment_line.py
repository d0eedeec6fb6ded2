"""`fieldstack segment cut, heal, power-off, drop ...`: faults of cable, power and frames of a segment."""

from __future__ import annotations

from typing import Annotated

import typer

from fieldstack.cli.exit_codes import epilog
from fieldstack.cli.options import INSTANCE, InstanceOption
from fieldstack.cli.segment import order

app = typer.Typer()
OptionalSlave = Annotated[
    int | None, typer.Argument(metavar="[SLAVE]", min=0, help="Position in the chain, from 0.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All slaves at once.")]
CountArgument = Annotated[int, typer.Argument(metavar="COUNT", min=0, help="Number of frames.")]


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
    """Repair a cut cable."""
    order(instance, lambda client: client.heal_cable())


@app.command("power-off", epilog=epilog())
def power_off(
    slave: OptionalSlave = None, everywhere: AllOption = False, instance: InstanceOption = INSTANCE
) -> None:
    """Take a slave's power away, or with --all that of the whole bus. Frames end before the slave."""
    if everywhere:
        order(instance, lambda client: client.power_off_all())
    else:
        chosen = _one(slave)
        order(instance, lambda client: client.power_off(chosen))


@app.command("power-on", epilog=epilog())
def power_on(
    slave: OptionalSlave = None, everywhere: AllOption = False, instance: InstanceOption = INSTANCE
) -> None:
    """Give a slave its power back, or with --all the whole bus. It is in INIT, without station address."""
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
