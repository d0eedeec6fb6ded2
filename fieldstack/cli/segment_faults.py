"""`fieldstack segment slow, refuse, mailbox, lose`: faults of a slave's states, mailbox and registers."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from fieldstack.cli.exit_codes import epilog
from fieldstack.cli.options import INSTANCE, InstanceOption
from fieldstack.cli.segment import SlaveArgument, order
from fieldstack_ethercat.segment.client import ALWAYS, SegmentClient

app = typer.Typer()


class State(StrEnum):
    """AL states as people write them."""

    INIT = "init"
    PREOP = "preop"
    SAFEOP = "safeop"
    OP = "op"
    EVERY = "all"


class Part(StrEnum):
    """What a slave can forget."""

    ADDRESS = "address"
    FMMUS = "fmmus"
    SM2 = "sm2"
    SM3 = "sm3"
    PDI2 = "pdi2"
    PDI3 = "pdi3"


_NUMBERS = {State.INIT: 1, State.PREOP: 2, State.SAFEOP: 4, State.OP: 8, State.EVERY: 0}
CountOption = Annotated[int, typer.Option("--count", min=0, help="So many times; 0 ends it.")]


@app.command(epilog=epilog())
def slow(
    slave: SlaveArgument,
    ms: Annotated[int, typer.Argument(metavar="MS", min=0, help="Milliseconds; 0 ends it.")],
    state: Annotated[State, typer.Option("--state", help="The state that takes so long.")] = State.EVERY,
    instance: InstanceOption = INSTANCE,
) -> None:
    """Let a slave take MS for a change of its AL state. Example: fieldstack segment slow 2 3000"""
    order(instance, lambda client: client.slow_state(slave, _NUMBERS[state], ms))


@app.command(epilog=epilog())
def refuse(
    slave: SlaveArgument,
    state: Annotated[State, typer.Option("--state", help="preop, safeop or op.")] = State.OP,
    code: Annotated[str, typer.Option("--code", help="AL status code that it gives.")] = "0x001D",
    count: CountOption = ALWAYS,
    instance: InstanceOption = INSTANCE,
) -> None:
    """Let a slave refuse an AL state. Example: fieldstack segment refuse 2 --state safeop --code 0x1E"""
    if state in {State.INIT, State.EVERY}:
        raise typer.BadParameter("preop, safeop and op can be refused", param_hint="--state")
    try:
        number = int(code, 0)
    except ValueError:
        raise typer.BadParameter(f"{code!r} is no number; write for example 0x001D") from None
    order(instance, lambda client: client.refuse_state(slave, _NUMBERS[state], number, count))


@app.command(epilog=epilog())
def mailbox(
    slave: SlaveArgument,
    late_ms: Annotated[
        int, typer.Option("--late-ms", min=0, help="Answers come so late; 0: they do not come at all.")
    ] = 0,
    count: CountOption = ALWAYS,
    instance: InstanceOption = INSTANCE,
) -> None:
    """Let a slave's mailbox answer late or not at all. Example: fieldstack segment mailbox 2 --late-ms 900"""

    def command(client: SegmentClient) -> int:
        if not count:
            client.mailbox_silent(slave, 0)
            return client.mailbox_late(slave, 1, 0)
        return client.mailbox_late(slave, late_ms, count) if late_ms else client.mailbox_silent(slave, count)

    order(instance, command)


@app.command(epilog=epilog())
def lose(
    slave: SlaveArgument,
    part: Annotated[Part, typer.Argument(metavar="WHAT", help="address, fmmus, sm2, sm3, pdi2 or pdi3.")],
    instance: InstanceOption = INSTANCE,
) -> None:
    """Let a slave lose what the master wrote, and continue: its address, its FMMUs, a sync manager.

    sm2 and sm3 switch off the sync manager of its outputs or inputs; pdi2 and pdi3 close it from the side
    of its application.
    """

    def command(client: SegmentClient) -> int:
        if part is Part.ADDRESS:
            return client.lose_address(slave)
        if part is Part.FMMUS:
            return client.lose_fmmus(slave)
        index = int(part.value[-1])
        if part.value.startswith("sm"):
            return client.lose_sync_manager(slave, index)
        return client.close_sync_manager(slave, index)

    order(instance, command)
