"""`fieldstack up` and `down`: checks everything, then runs the cell with its dashboard or its event lines."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from fieldstack.cell import locations
from fieldstack.cell.configuration import load
from fieldstack.cell.instances import end_command, is_managed, running_pids
from fieldstack.cell.launch import Launch
from fieldstack.cell.takedown import Say, take_down
from fieldstack.cell.up import CellRun
from fieldstack.cli.exit_codes import ExitCode
from fieldstack.cli.screen.console_lines import ConsoleLines
from fieldstack.cli.screen.dashboard import sections
from fieldstack.cli.screen.event_lines import EventTail, line
from fieldstack.cli.screen.fitted_screen import FittedScreen, Section
from fieldstack.cli.screen.pressed_keys import PressedKeys
from fieldstack.cli.start import HINT, StartKey
from fieldstack.host import capabilities, namespace
from fieldstack.host.prerequisites import complete_path, require, require_folders
from fieldstack.host.scheduling import may_use_fifo
from fieldstack.status.next_step import command, may_start
from fieldstack.status.status import StatusSource
from fieldstack.status.up_record import held, holder_in
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore.layout import EventCode

TICK_S = 0.05
REFRESH_S = 0.2
EVENT_LINES = 10
DOWN_TIMEOUT_S = 40.0


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The options of the command line. `seconds` None: until interrupted."""

    instance: Instance
    config: Path | None
    interface: str | None
    seconds: float | None
    headless: bool


RUNS_ON = EventCode.AXIS_RUNS_ON.name.lower()
DOWN_BUT = (
    "the cell is down, but an axis did not stop on the way, and nobody watches it any more: "
    "look at the machine, or use the hardware button"
)


class MissingPrivilegeError(Exception):
    """The bus is a real interface, and this process may not use it."""


def run_up(options: UpOptions, console: Console) -> ExitCode:
    """Checks everything, starts the cell, shows it until its end."""
    complete_path()
    cell = load(locations.find(options.config))
    launch = Launch.of(options.instance, cell, options.interface, real_time=may_use_fifo())
    require(virtual=launch.cable is not None)
    require_folders(options.instance)
    if missing := capabilities.missing(capabilities.BUS):
        _gain_privileges(options.instance, launch, missing)
    for warning in _warnings():
        console.print(f"degraded: {warning}", style="yellow", highlight=False, soft_wrap=True)
    return _Session(options, launch, console).run()


def _gain_privileges(
    instance: Instance, launch: Launch, missing: tuple[capabilities.Capability, ...]
) -> None:
    """Starts again in a namespace, where it can have a virtual segment without privileges."""
    if launch.cable is None or namespace.inside():
        names = ", ".join(f"CAP_{one.name}" for one in missing)
        raise MissingPrivilegeError(
            f"interface {launch.interface!r} needs {names}, which this process does not have. "
            f"Run as root: sudo {' '.join(sys.orig_argv)}"
        )
    namespace.re_execute(instance)


def _warnings() -> list[str]:
    inside = namespace.inside()
    found = list(capabilities.degradations(in_namespace=inside))
    if inside:
        found.insert(0, "not root: the cell runs in a user and network namespace of its own")
    return found


class _Session:
    """One run of `up`: the cell, its supervision, and what is shown."""

    def __init__(self, options: UpOptions, launch: Launch, console: Console) -> None:
        self._options = options
        self._launch = launch
        self._console, self._console_lines = console, ConsoleLines(console)
        self._source = StatusSource(options.instance)
        self._events = EventTail(options.instance)
        self._notices: deque[str] = deque(maxlen=EVENT_LINES)
        self._stop = False
        self._headless = options.headless or not console.is_terminal

    def run(self) -> ExitCode:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        with CellRun(self._launch, self._say) as cell:
            operational = self._watch(cell)
        if running := [line(one) for one in self._events.new() if one.data.get("code") == RUNS_ON]:
            self._say("\n".join((*running, DOWN_BUT)))
            return ExitCode.FAILED
        self._say("the cell is down")
        if self._options.seconds is None or operational:
            return ExitCode.OK
        return ExitCode.FAILED if self._stop else ExitCode.NOT_OPERATIONAL

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True

    def _say(self, text: str) -> None:
        self._notices.append(text)
        if self._headless:
            self._console_lines.say(text)

    def _watch(self, cell: CellRun) -> bool:
        """Supervises until the end; True if the cell was operational then."""
        if self._headless:
            self._loop(cell, None)
        else:
            with (
                PressedKeys() as keys,
                Live(console=self._console, auto_refresh=False, transient=True) as live,
            ):
                self._loop(cell, live, keys)
        return self._source.take().operational

    def _loop(self, cell: CellRun, live: Live | None, keys: PressedKeys | None = None) -> None:
        start = StartKey(self._options.instance, self._say)
        seconds = self._options.seconds
        until = time.monotonic() + seconds if seconds is not None else float("inf")
        shown = 0.0
        while not self._stop and not cell.ended and time.monotonic() < until:
            cell.tick(time.monotonic_ns())
            if time.monotonic() - shown >= REFRESH_S:
                shown = time.monotonic()
                self._show(live)
            if keys is not None:
                start.handle_keys(keys.new())
            cell.wait(TICK_S)

    def _show(self, live: Live | None) -> None:
        for event in self._events.new():
            self._say(line(event))
        if live is not None:
            live.update(self._screen(), refresh=True)

    def _screen(self) -> RenderableType:
        snapshot = self._source.take()
        if snapshot.cell == "down":
            return Text("\n".join(["the cell is starting or going down", *self._notices]))
        shown = sections(snapshot)
        if may_start(snapshot):
            shown.insert(0, Section("start", 0, Text(HINT.capitalize(), "yellow")))
        return FittedScreen([*shown, Section("hint", 4, Text(self._hint(), "dim"))], list(self._notices))

    def _hint(self) -> str:
        name = self._options.instance.name
        estop, reset, start = (command(name, one) for one in ("estop --reason test", "reset", "start"))
        tries = f"kill -9 the RT process; {estop}; {reset}; {start}"
        return f"Ctrl-C ends the cell.  From another terminal: {tries}"


def run_down(instance: Instance, console: Console) -> ExitCode:
    """Asks a running `up` to end, or takes down what an `up` left behind; cells of systemd are left alone."""
    say = ConsoleLines(console).say
    if held(instance):
        return _end_up(instance, say)
    pids = list(running_pids(instance).values())
    if is_managed(instance, pids):
        say(f"cell {instance.name} is not this command's to end; use: {end_command(instance, pids)}")
        return ExitCode.FAILED
    if take_down(instance, say):
        say(f"cell {instance.name} is down")
        return ExitCode.OK
    say(f"cell {instance.name} is not up")
    return ExitCode.NOT_RUNNING


def _end_up(instance: Instance, say: Say) -> ExitCode:
    """Asks the `up` that holds the instance, also one that has not written its pid yet."""
    until, asked = time.monotonic() + DOWN_TIMEOUT_S, 0
    while held(instance):
        pid = holder_in(instance.runtime_dir)
        if pid not in (0, asked):
            _ask_to_end(pid)
            asked = pid
        if time.monotonic() > until:
            say(f"cell {instance.name} is still going down after {DOWN_TIMEOUT_S:g} s")
            return ExitCode.FAILED
        time.sleep(0.05)
    say(f"cell {instance.name} is down")
    return ExitCode.OK


def _ask_to_end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return  # it ended just now
    except PermissionError:
        raise PermissionError(f"`up` (pid {pid}) is another user's: end it as that user or root") from None
