"""`fieldstack-rt status`: shows the live dashboard, one snapshot, or JSON."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from fieldstack.cli.cells import show_cells
from fieldstack.cli.exit_codes import ExitCode
from fieldstack.cli.options import INSTANCE, InstanceOption, JsonOption, instance_of
from fieldstack.cli.screen.dashboard import render, sections
from fieldstack.cli.screen.event_lines import line
from fieldstack.cli.screen.fitted_screen import FittedScreen, Section
from fieldstack.cli.screen.history_table import history_table
from fieldstack.cli.screen.pressed_keys import PressedKeys
from fieldstack.cli.screen.terminal import terminal
from fieldstack.cli.start import HINT, StartKey
from fieldstack.events.reader import EventReader
from fieldstack.status.history import process_history
from fieldstack.status.next_step import may_start, next_step
from fieldstack.status.snapshot import Snapshot
from fieldstack.status.status import StatusSource
from fieldstack_base.instance import Instance

REFRESH_S = 0.25
HISTORY_S = 5.0
EVENT_LINES = 8


def status(
    instance: InstanceOption = INSTANCE,
    once: Annotated[bool, typer.Option("--once", help="One look, then end.")] = False,
    as_json: JsonOption = False,
    every: Annotated[bool, typer.Option("--all", help="All cells of this machine, one line each.")] = False,
) -> None:
    """Show the cell: processes, HA state, EMERGENCY_STOP, bus, cycle, axes, history, last events.

    It is right also when RT, Non-RT or the whole cell is down: it says so, and since when.
    With --once or --json the exit code tells: 0 operational, 7 up but not operational, 5 down.

    Examples:

        fieldstack-rt status

        fieldstack-rt status --json | jq '.rt.state, .ha.state, .bus.wkc'
    """
    if every:
        raise typer.Exit(show_cells(as_json=as_json))
    chosen = instance_of(instance)
    source, console = StatusSource(chosen), terminal()
    if as_json:
        snapshot = source.take()
        more = {"next": next_step(snapshot), "history": process_history(chosen)}
        print(json.dumps(snapshot.to_dict() | more, indent=2))
        raise typer.Exit(exit_code(snapshot))
    if once or not console.is_terminal:
        snapshot = source.take()
        console.print(render(snapshot, _last_events(chosen)))
        if (table := history_table(process_history(chosen))) is not None:
            console.print(table)
        raise typer.Exit(exit_code(snapshot))
    _live(source, console, chosen)


def _live(source: StatusSource, console: Console, instance: Instance) -> None:
    table: RenderableType | None = None
    due = 0.0
    answers: deque[str] = deque(maxlen=1)
    start = StartKey(instance, answers.append)
    with (
        PressedKeys(end_on_sigterm=True) as keys,
        Live(console=console, auto_refresh=False, screen=True) as live,
    ):
        while True:
            start.handle_keys(keys.new())
            if time.monotonic() >= due:
                table, due = history_table(process_history(instance)), time.monotonic() + HISTORY_S
            snapshot = source.take()
            parts = [*_start_lines(snapshot, answers), *sections(snapshot)]
            if table is not None:
                parts.append(Section("history", 9, table))
            live.update(FittedScreen(parts, _last_events(instance)), refresh=True)
            time.sleep(REFRESH_S)


def _start_lines(snapshot: Snapshot, answers: deque[str]) -> list[Section]:
    """What the key does, and the answer to it."""
    lines = [*answers, *([HINT.capitalize()] if may_start(snapshot) else [])]
    return [Section("start", 0, Text(text, "yellow")) for text in lines]


def _last_events(instance: Instance) -> list[str]:
    return [line(event) for event in EventReader(instance.state_dir).last(EVENT_LINES)]


def exit_code(snapshot: Snapshot) -> ExitCode:
    """The exit code of `status`, for scripts."""
    if snapshot.operational:
        return ExitCode.OK
    return ExitCode.NOT_RUNNING if snapshot.cell == "down" else ExitCode.NOT_OPERATIONAL
