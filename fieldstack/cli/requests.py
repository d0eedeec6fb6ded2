"""`fieldstack reset, ack, restart, request`: asks a running cell, and waits until the result is read back."""

from __future__ import annotations

from typing import Annotated

import typer

from fieldstack.cli.exit_codes import ExitCode, epilog
from fieldstack.cli.options import INSTANCE, InstanceOption, instance_of

ByOption = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Who asks; default: the user of this terminal.")
]
NoteOption = Annotated[str, typer.Option("--note", help="Why, or what was done about the cause; it is kept.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    for command in (reset, start, ack, restart, request):
        app.command(epilog=epilog())(command)


def ask_and_tell(instance: str, command: str, timeout_s: float = 10.0, **fields: str | bool) -> None:
    """Sends a request, prints the answer, ends with its exit code: 0 done, 1 refused or not confirmed."""
    from fieldstack.process.nonrt_client import ask

    answer = ask(instance_of(instance), command, timeout_s, **fields)
    typer.echo(answer.message, err=not answer.accepted)
    raise typer.Exit(ExitCode.OK if answer.accepted else ExitCode.FAILED)


def _who(by: str) -> str:
    from fieldstack.cli.estop import user

    return by or user()


def reset(note: NoteOption = "", by: ByOption = "", instance: InstanceOption = INSTANCE) -> None:
    """Clear what only a person may clear: EMERGENCY_STOP, axis faults, a spent restart budget.

    Waits until RT has done it. Refused (exit code 1) while a cause is still there, or when a drive stays in
    fault; the answer names it.

    A reset makes the cell ready and moves nothing: motion waits for `fieldstack start`.

    Example:

        fieldstack reset --note "door closed, area clear"
    """
    ask_and_tell(instance, "reset", by=_who(by), note=note)


def start(note: NoteOption = "", by: ByOption = "", instance: InstanceOption = INSTANCE) -> None:
    """Start the axes. After an EMERGENCY_STOP, a reset, a fault or a long stand, motion waits for this.

    First look whether anybody is in the way. The command waits until RT has taken the order. If the cell is
    just being checked, it waits for a few seconds. Exit code 8: refused, or not all axes were started; the
    answer says why.

    Example:

        fieldstack reset --note "door closed" && fieldstack start --note "area clear"
    """
    from fieldstack.cli.start import ask_for_start

    answer = ask_for_start(instance_of(instance), by=_who(by), note=note)
    typer.echo(answer.message, err=not answer.accepted)
    raise typer.Exit(ExitCode.OK if answer.accepted else ExitCode.NOT_STARTED)


def ack(
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who has looked at it; recorded.")],
    note: Annotated[str, typer.Option("--note", help="What was found and done; recorded.")],
    condition: Annotated[
        str, typer.Option("--condition", metavar="C", help="Only this rule or subject; default: all.")
    ] = "",
    instance: InstanceOption = INSTANCE,
) -> None:
    """Acknowledge a rule that waits for a person (AWAIT_MANUAL); until then it stays active.

    Example:

        fieldstack ack --by Ann --note "coupling of axis y replaced" --condition axis:y
    """
    ask_and_tell(instance, "ack", by=by, note=note, condition=condition)


def restart(
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="rt, core, slave:NAME or module:NAME (health ...).")
    ],
    note: NoteOption = "",
    by: ByOption = "",
    instance: InstanceOption = INSTANCE,
) -> None:
    """Restart one part of a running cell; the rest continues as far as it can without it.

    Examples:

        fieldstack restart core

        fieldstack restart slave:drive-y --note "new cable"
    """
    ask_and_tell(instance, "restart", by=_who(by), note=note, subject=subject)


def request(
    word: Annotated[str, typer.Argument(metavar="WORD", help="A word that the policy in force knows.")],
    note: NoteOption = "",
    off: Annotated[bool, typer.Option("--off", help="Take back what was asked for.")] = False,
    by: ByOption = "",
    instance: InstanceOption = INSTANCE,
) -> None:
    """Activate a policy rule that people may ask for. The shipped one is `slow`: a quarter of the speed.

    The rules of the fact operator_request say which words there are and what they lead to; an unknown word is
    refused (exit code 1) with those that are known. It lasts until --off or a reset; what stops the axes
    needs the reset.

    Examples:

        fieldstack request slow --note "someone works beside the cell"

        fieldstack request slow --off
    """
    ask_and_tell(instance, "request", by=_who(by), note=note, word=word, off=off)
