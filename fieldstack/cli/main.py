"""The command `fieldstack`: puts the commands of all files of this room together, and adds a few of its own.

The console script runs it through entry.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fieldstack.cli import (
    alerts,
    bench,
    bus,
    errors,
    jog,
    policy,
    requests,
    segment,
    segment_faults,
    segment_line,
    segment_slaves,
    task,
)
from fieldstack.cli.exit_codes import ExitCode, epilog
from fieldstack.cli.options import INSTANCE, InstanceOption, JsonOption, instance_of, seconds_of
from fieldstack.cli.screen.terminal import terminal
from fieldstack.cli.status import status

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Cell configuration; default: config/cell.yaml."),
]

app = typer.Typer(
    name="fieldstack",
    help="High-availability real-time EtherCAT control.  First steps: fieldstack up",
    epilog=epilog(),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (segment_line, segment_slaves, segment_faults):
    segment.app.add_typer(part.app)
app.add_typer(segment.app, name="segment")
app.add_typer(policy.app, name="policy")
app.add_typer(bus.app, name="bus")
app.add_typer(alerts.app, name="alerts")
app.add_typer(task.app, name="task")
app.command("status", epilog=epilog())(status)
requests.add_to(app)
jog.add_to(app)
app.add_typer(bench.app, name="bench")


@app.command(epilog=epilog())
def up(
    config: ConfigOption = None,
    interface: Annotated[
        str | None,
        typer.Option("--interface", metavar="IF", help="A real bus; default: a virtual segment is made."),
    ] = None,
    instance: InstanceOption = INSTANCE,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="End by itself: 30s, 2min ...")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Plain event lines, no dashboard.")] = False,
) -> None:
    """Start a cell and show it until Ctrl-C; then end all of it in order.

    Configuration and policy are checked before anything starts. With --for, the exit code is 0 only if the
    cell was operational at the end (else 7). Without root it runs on a virtual segment in a namespace.

    Examples:

        fieldstack up

        fieldstack up --for 30s --headless

        sudo fieldstack up --interface eth1 --instance press-2 --config /etc/fieldstack/press-2.yaml
    """
    from fieldstack.cli.up import UpOptions, run_up

    options = UpOptions(instance_of(instance), config, interface, seconds_of(for_, "--for"), headless)
    raise typer.Exit(run_up(options, terminal()))


@app.command(epilog=epilog())
def prepare(
    config: ConfigOption = None,
    interface: Annotated[
        str | None,
        typer.Option(
            "--interface",
            metavar="IF",
            envvar="FIELDSTACK_INTERFACE",
            help="A real bus; default: the configuration's, else a virtual segment.",
        ),
    ] = None,
    instance: InstanceOption = INSTANCE,
) -> None:
    """Check a cell's configuration and write the files with which its systemd units start.

    The unit fieldstack-prepare@NAME.service runs this at each start of fieldstack@NAME.target. Nothing is
    started here. Exit code 3: the configuration is not usable; the text names file, key and remedy.

    Example:

        fieldstack prepare --config /etc/fieldstack/press-2.yaml --instance press-2
    """
    from fieldstack.cli.prepare import run_prepare

    run_prepare(instance_of(instance), config, interface)


@app.command(epilog=epilog())
def down(instance: InstanceOption = INSTANCE) -> None:
    """End a cell that `fieldstack up` started, or what a killed `up` left behind.

    Exit code 1: systemd, or an `up` with other folders, runs it; the text names the command that ends it.

    Example:

        fieldstack down --instance press-2
    """
    from fieldstack.cli.up import run_down

    raise typer.Exit(run_down(instance_of(instance), terminal()))


@app.command(epilog=epilog())
def estop(
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the latch and in the log.")],
    instance: InstanceOption = INSTANCE,
) -> None:
    """EMERGENCY_STOP: the axes stop in the next cycle and stay stopped until `fieldstack reset`.

    It sets the latch directly in shared memory, so it works without the Non-RT process. Then it waits until
    all axes are confirmed to stand still. Exit code 9: it is latched, but not confirmed; the text names the
    axes and what they do. Use the hardware button. Exit code 5: it is latched, but no RT process can obey.
    This is no safety function: the hardwired emergency stop remains the last line of defence.

    Example:

        fieldstack estop --reason "guard door open"
    """
    from fieldstack.cli.estop import stop_cell

    outcome = stop_cell(instance_of(instance), reason)
    typer.echo(outcome.text, err=not outcome.obeyed)
    missed = ExitCode.NOT_CONFIRMED if outcome.reached else ExitCode.NOT_RUNNING
    raise typer.Exit(ExitCode.OK if outcome.obeyed else missed)


@app.command(epilog=epilog())
def cells(as_json: JsonOption = False) -> None:
    """List the cells of this machine: which run, and whether an `up` or systemd keeps them running.

    An instance whose `up` was killed goes on by design; the last column says how to end it.

    Example:

        fieldstack cells --json | jq -r '.[] | select(.orphaned) | .instance'
    """
    from fieldstack.cli.cells import show_cells

    raise typer.Exit(show_cells(as_json=as_json))


@app.command(epilog=epilog())
def events(
    instance: InstanceOption = INSTANCE,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more until Ctrl-C.")] = False,
    since: Annotated[
        int, typer.Option("--since", metavar="N", help="Only events after number N.", min=0)
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show what happened in a cell, oldest first; also when it is down. --json: one object a line.

    Examples:

        fieldstack events --follow

        fieldstack events --json --since 120 | jq -r .text
    """
    from fieldstack.cli.screen.event_lines import line, no_log
    from fieldstack.events.reader import EventReader

    if missing := no_log(instance_of(instance)):
        typer.echo(missing, err=True)
    reader = EventReader(instance_of(instance).state_dir)
    for event in reader.read(since, follow=follow):
        text = (
            json.dumps(event.to_dict())
            if as_json
            else f"{event.sequence:6} {event.when.astimezone():%Y-%m-%d} {line(event)}"
        )
        print(text, flush=follow)
    if reader.damaged:
        typer.echo(f"{reader.damaged} damaged lines were left out", err=True)


def main() -> None:
    """Entry point of the console script."""
    errors.run("fieldstack", app)
