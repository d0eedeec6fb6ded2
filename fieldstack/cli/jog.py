"""`fieldstack jog`: moves one axis by hand, slowly, only while a person holds it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from fieldstack.cli.exit_codes import ExitCode, epilog
from fieldstack.cli.options import INSTANCE, InstanceOption, instance_of, seconds_of

if TYPE_CHECKING:
    from fieldstack.tasks.control.jog_client import HeldJog
    from fieldstack_base.control.client import Answer

RENEW_S = 0.05
"""Well below the 100 ms that hold-to-run allows, since a busy machine may delay a renewal."""
LONGEST_S = 60.0
DIRECTIONS = ("+", "-")
LET_GO = "let go"
JogArguments = tuple[str, str, float]
"""A jog: axis, direction, percent of its jog velocity."""


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command(epilog=epilog())(jog)


def jog(
    axis: Annotated[str, typer.Argument(metavar="AXIS", help="The axis's name in the bus configuration.")],
    direction: Annotated[str, typer.Argument(metavar="+|-", help="Which way.")],
    speed: Annotated[
        float, typer.Option("--speed", metavar="PERCENT", help="Of the axis's jog velocity.")
    ] = 100.0,
    for_: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="So long, at most 60s; a terminal does without."),
    ] = None,
    instance: InstanceOption = INSTANCE,
) -> None:
    """Move one axis by hand: slowly, only while you hold it, never out of its position limits.

    In a terminal: hold a key down; let go, it stops; q ends the command. Without one: --for TIME; Ctrl-C
    stops. However the command or the Main Core ends, RT stops the axis 150 ms after it was last held. One
    beyond a limit goes inwards only. Refused (exit code 1) while a task moves its axis group,
    EMERGENCY_STOP is latched or the axis has no power; the answer says what to do.

    Examples:

        fieldstack jog y -

        fieldstack jog y - --speed 20 --for 2s
    """
    from fieldstack.cli.errors import UsageError
    from fieldstack.tasks.control.jog_client import HeldJog

    duration_s = seconds_of(for_, "--for")
    if direction not in DIRECTIONS:
        raise UsageError(f"direction {direction!r}: + or -")
    if duration_s is not None and duration_s > LONGEST_S:
        raise UsageError(f"--for {for_!r}: at most {LONGEST_S:g} s; hold a key in a terminal for longer ways")
    if duration_s is None and not sys.stdin.isatty():
        raise UsageError("this is no terminal, so no key can be held: say how long, for example --for 2s")
    with HeldJog(instance_of(instance)) as held:
        if duration_s is not None:
            code = _follow(TimedHold(duration_s), held, (axis, direction, speed))
        else:
            code = _by_key(held, (axis, direction, speed))
    raise typer.Exit(code)


class HoldSource(Protocol):
    """Says whether a person holds the axis. `last_ns`: when this was last so, CLOCK_MONOTONIC."""

    last_ns: int
    quit: bool

    def poll(self, wait_s: float) -> bool: ...


class TimedHold:
    """Acts as if held for a fixed time."""

    def __init__(self, duration_s: float) -> None:
        self._until = time.monotonic() + duration_s
        self.last_ns, self.quit = 0, False

    def poll(self, wait_s: float) -> bool:
        if self.last_ns:
            time.sleep(wait_s)
        self.last_ns, self.quit = time.monotonic_ns(), time.monotonic() >= self._until
        return not self.quit


def _by_key(held: HeldJog, arguments: JogArguments) -> ExitCode:
    from fieldstack.cli.screen.held_key import HeldKey

    typer.echo("hold a key down to move it; q ends")
    with HeldKey() as key:
        return _follow(key, held, arguments)


def _follow(hold: HoldSource, held: HeldJog, arguments: JogArguments) -> ExitCode:
    """Begin when the axis is held, renew, release; until the hold or the jog has ended."""
    moving = False
    try:
        while not hold.quit:
            down = hold.poll(RENEW_S)
            if not down and not moving:
                continue
            answer = _step(held, arguments, hold.last_ns, down=down, moving=moving)
            moving = down
            if not answer.accepted or answer.data["ended"]:
                moving = False
                if (code := _print_end(answer, arguments[0])) is not None:
                    return code
    finally:
        if moving:
            held.release()
    return ExitCode.OK


def _step(held: HeldJog, arguments: JogArguments, held_ns: int, *, down: bool, moving: bool) -> Answer:
    from fieldstack.cli.estop import user

    if not down:
        return held.release()
    return held.renew(held_ns) if moving else held.begin(*arguments, held_ns, user())


def _print_end(answer: Answer, axis: str) -> ExitCode | None:
    """None: it was released, and may be held again."""
    if not answer.accepted:
        typer.echo(answer.message, err=True)
        return ExitCode.FAILED
    data = answer.data
    let_go, reached = data["ended"] == LET_GO, data["reached"]
    text = f"axis {axis}: {data['ended']}, at {data['position']:.3f} {data['unit']}"
    typer.echo(text, err=not (let_go or reached))
    return None if let_go else ExitCode.OK if reached else ExitCode.FAILED
