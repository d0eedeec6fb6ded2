"""`fieldstack task`: gives tasks to the Main Core process, and shows how far they are."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from fieldstack.cli.exit_codes import ExitCode, epilog
from fieldstack.cli.options import INSTANCE, InstanceOption, JsonOption, instance_of
from fieldstack.cli.screen.terminal import terminal
from fieldstack_base.control.client import Answer

app = typer.Typer(
    help="Tasks of the Main Core process: sequences of moves, outputs, waits and calls.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
POLL_S = 0.2
BAR = 24
TaskArgument = Annotated[str, typer.Argument(metavar="ID", help="The task's id.")]


@app.command(epilog=epilog())
def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The task, YAML or JSON.")],
    wait: Annotated[bool, typer.Option("--wait", help="Show its progress until it has ended.")] = False,
    instance: InstanceOption = INSTANCE,
    as_json: JsonOption = False,
) -> None:
    """Give a task to the cell. It is checked first: names, positions within limits, calls.

    Answered when the task is on the disk: from then on it survives crashes and power cuts, and goes on,
    restarts or asks, as it declares. Exit code 3: the task is not usable; with --wait 1: it did not end well.

    Examples:

        fieldstack task submit pick.yaml --wait

        fieldstack task submit config/tasks/pick-and-place.yaml --instance press-2
    """
    from fieldstack.cli.estop import user
    from fieldstack.tasks.control.client import ask
    from fieldstack.tasks.program.task_files import parse, read

    text = read(file)
    declaration = parse(text, str(file))
    answer = ask(instance_of(instance), "submit", text=text, file=str(file), by=user())
    if not answer.accepted:
        _finish(answer, as_json, ExitCode.BAD_CONFIGURATION if "issues" in answer.data else ExitCode.FAILED)
    if wait:
        raise typer.Exit(_follow(instance, declaration.id, as_json))
    _finish(answer, as_json)


@app.command("list", epilog=epilog())
def list_(instance: InstanceOption = INSTANCE, as_json: JsonOption = False) -> None:
    """List the tasks: those that have not ended, and the last ones that ended.

    Example:

        fieldstack task list --json | jq -r '.tasks[] | [.id, .state] | @tsv'
    """
    answer = _ask(instance, "list")
    if as_json or not answer.accepted:
        _finish(answer, as_json)
    table = Table(box=None, pad_edge=False)
    for heading in ("task", "state", "priority", "mode", "group", "run", "progress", "doing"):
        table.add_column(heading, no_wrap=True)
    for task in answer.data["tasks"]:
        cells = (task["id"], task["state"], task["priority"], task["mode"], task["group"] or "-")
        doing = task["why"] or task["doing"]
        table.add_row(*cells, _runs(task), f"{task['step']}/{task['steps']}", doing)
    terminal(None if terminal().is_terminal else 160).print(table)


@app.command(epilog=epilog())
def status(
    task_id: TaskArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until it has ended.")] = False,
    instance: InstanceOption = INSTANCE,
    as_json: JsonOption = False,
) -> None:
    """Show the state and progress of one task. Exit code 1: there is no such task, or it failed.

    Example:

        fieldstack task status pick --follow
    """
    if follow:
        raise typer.Exit(_follow(instance, task_id, as_json))
    answer = _ask(instance, "status", id=task_id)
    if not answer.accepted:
        _finish(answer, as_json)
    _print(answer.data["task"], as_json)
    raise typer.Exit(_code(answer.data["task"]))


@app.command(epilog=epilog())
def cancel(task_id: TaskArgument, instance: InstanceOption = INSTANCE, as_json: JsonOption = False) -> None:
    """End a task; its axes come to rest first. For a failed task: you have seen it, and its alert ends.

    Example:

        fieldstack task cancel pick
    """
    _finish(_ask(instance, "cancel", id=task_id), as_json)


@app.command(epilog=epilog())
def pause(task_id: TaskArgument, instance: InstanceOption = INSTANCE, as_json: JsonOption = False) -> None:
    """Bring a task to rest. Its axis group is free for other tasks until it is resumed.

    Example:

        fieldstack task pause pick
    """
    _finish(_ask(instance, "pause", id=task_id), as_json)


@app.command(epilog=epilog())
def resume(
    task_id: TaskArgument,
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="NAME", help="Who takes responsibility; default: the user of this terminal."
        ),
    ] = "",
    how: Annotated[
        str | None,
        typer.Option(
            "--call", metavar="done|redo", help="What about the call that was interrupted: take it as done?"
        ),
    ] = None,
    instance: InstanceOption = INSTANCE,
    as_json: JsonOption = False,
) -> None:
    """Continue a paused task, or one that asks a person after a crash.

    A task whose call was interrupted has to know whether to take it as done, or to run it again (redo).

    Examples:

        fieldstack task resume pick

        fieldstack task resume weigh --by Ann --call done
    """
    from fieldstack.cli.errors import UsageError
    from fieldstack.cli.estop import user

    if how not in (None, "done", "redo"):
        raise UsageError(f"--call {how!r} is neither `done` nor `redo`")
    _finish(_ask(instance, "resume", id=task_id, by=by or user(), answer=how or ""), as_json)


@app.command(epilog=epilog())
def trigger(task_id: TaskArgument, instance: InstanceOption = INSTANCE, as_json: JsonOption = False) -> None:
    """Begin a run of a TRIGGERED task that waits for an operator.

    Example:

        fieldstack task trigger tool-change
    """
    _finish(_ask(instance, "trigger", id=task_id), as_json)


@app.command(epilog=epilog())
def reallocate(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="The axis group that failed.")],
    back: Annotated[bool, typer.Option("--back", help="Take it into use again instead.")] = False,
    instance: InstanceOption = INSTANCE,
    as_json: JsonOption = False,
) -> None:
    """Move the tasks of an axis group to other groups that can do the same.

    Each is resumed, restarted or ended as it declares (on_resource_lost). The group is out of use until it
    has been out of order and is in order again, or until --back.

    Example:

        fieldstack task reallocate left
    """
    _finish(_ask(instance, "give_back" if back else "reallocate", group=group), as_json)


def _ask(instance: str, command: str, **fields: str) -> Answer:
    from fieldstack.tasks.control.client import ask

    return ask(instance_of(instance), command, timeout_s=5.0, **fields)


def _finish(answer: Answer, as_json: bool, refused: ExitCode = ExitCode.FAILED) -> None:
    if as_json:
        print(json.dumps(answer.data, indent=2))
    else:
        typer.echo(answer.message, err=not answer.accepted)
    raise typer.Exit(ExitCode.OK if answer.accepted else refused)


def _follow(instance: str, task_id: str, as_json: bool) -> ExitCode:
    """Print each change until the task has ended or needs a person."""
    printed: tuple[object, ...] = ()
    while True:
        answer = _ask(instance, "status", id=task_id)
        if not answer.accepted:
            _finish(answer, as_json)
        task = answer.data["task"]
        now = (task["state"], task["run"], task["step"], task["why"])
        if now != printed:
            printed = now
            _print(task, as_json)
        if task["state"] in ("done", "failed", "cancelled", "asking"):
            return _code(task)
        time.sleep(POLL_S)


def _code(task: dict[str, Any]) -> ExitCode:
    return ExitCode.FAILED if task["state"] in ("failed", "cancelled", "asking") else ExitCode.OK


def _runs(task: dict[str, Any]) -> str:
    return f"{task['run']}/{task['runs'] or '-'}"


def _print(task: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(task), flush=True)
        return
    full = round(BAR * task["progress_percent"] / 100)
    bar = "#" * full + "." * (BAR - full)
    why = f": {task['why']}" if task["why"] else ""
    doing = f" {task['doing']}" if task["doing"] else ""
    print(f"{task['id']} [{bar}] {task['step']}/{task['steps']} {task['state']}{why}{doing}", flush=True)
