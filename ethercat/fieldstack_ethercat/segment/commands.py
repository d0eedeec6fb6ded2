"""Defines the control commands of a segment as data: what each takes, and what it does with the bench.

A request is `{"command": NAME, ...}` with integer arguments; an answer is `{"ok": true, "t_ns": ...,
"result": ...}` (stamp of CLOCK_MONOTONIC after the command took effect) or `{"ok": false, "error": TEXT}`.

The segment's process runs them for its control socket.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fieldstack_ethercat.segment.chain import Chain
from fieldstack_ethercat.segment.description.errors import CommandError, SegmentError
from fieldstack_ethercat.segment.mailbox_faults import MailboxFaults
from fieldstack_ethercat.segment.slave_faults import SYNC_MANAGERS, lose_registers, slow_states

COUNT_LIMIT = 0xFFFFFFFF


class Bench(Protocol):
    """What commands act on: the chain, and power with the application's own state."""

    @property
    def chain(self) -> Chain: ...

    @property
    def mailbox_faults(self) -> MailboxFaults: ...

    def power(self, slave: int, on: bool) -> None: ...

    def power_all(self, on: bool) -> None: ...

    def object_fault(self, slave: int, index: int, fault: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Argument:
    """An integer argument from `low` to `high`, and its default; None: it must be given.

    `slave`: a position in the chain. `image`: not an integer but bytes as hexadecimal text.
    """

    name: str
    high: int = COUNT_LIMIT
    low: int = 0
    slave: bool = False
    image: bool = False
    default: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A command's arguments and what runs it; `run` gets the bench and the arguments in order."""

    run: Callable[..., Any]
    arguments: tuple[Argument, ...] = ()


def _slave() -> Argument:
    return Argument("slave", slave=True)


def _count() -> Argument:
    return Argument("count", default=COUNT_LIMIT)


COMMANDS: Mapping[str, Command] = {
    "cut_cable": Command(lambda b, after: b.chain.faults.cut_cable(after), (Argument("after", slave=True),)),
    "heal_cable": Command(lambda b: b.chain.faults.heal_cable()),
    "power_off": Command(lambda b, slave: b.power(slave, False), (_slave(),)),
    "power_on": Command(lambda b, slave: b.power(slave, True), (_slave(),)),
    "power_off_all": Command(lambda b: b.power_all(False)),
    "power_on_all": Command(lambda b: b.power_all(True)),
    "slow_state": Command(
        lambda b, slave, state, ms: slow_states(b.chain, slave, state, ms * 1_000_000),
        (_slave(), Argument("state", 8), Argument("ms", 600_000)),
    ),
    "refuse_state": Command(
        lambda b, slave, state, code, count: b.chain.faults.refuse_state(slave, state, code, count),
        (_slave(), Argument("state", 8, low=2), Argument("code", 0xFFFF, low=1), _count()),
    ),
    "mailbox_late": Command(
        lambda b, slave, ms, count: b.mailbox_faults.late(slave, ms * 1_000_000, count),
        (_slave(), Argument("ms", 600_000, low=1), _count()),
    ),
    "mailbox_silent": Command(
        lambda b, slave, count: b.mailbox_faults.silent(slave, count), (_slave(), _count())
    ),
    "lose_fmmus": Command(lambda b, slave: lose_registers(b.chain, slave, "fmmus"), (_slave(),)),
    "lose_address": Command(lambda b, slave: lose_registers(b.chain, slave, "address"), (_slave(),)),
    "lose_sync_manager": Command(
        lambda b, slave, index: lose_registers(b.chain, slave, "sync_manager", index),
        (_slave(), Argument("index", SYNC_MANAGERS - 1)),
    ),
    "close_sync_manager": Command(
        lambda b, slave, index: lose_registers(b.chain, slave, "pdi", index),
        (_slave(), Argument("index", SYNC_MANAGERS - 1)),
    ),
    "drop_frames": Command(lambda b, count: b.chain.faults.drop_frames(count), (Argument("count"),)),
    "delay_frames": Command(
        lambda b, count, us: b.chain.faults.delay_frames(count, us * 1000),
        (Argument("count"), Argument("us", low=1, high=10_000_000)),
    ),
    "corrupt_frames": Command(lambda b, count: b.chain.faults.corrupt_frames(count), (Argument("count"),)),
    "drive_fault": Command(
        lambda b, slave, code: b.chain.faults.drive_fault(slave, code),
        (_slave(), Argument("code", 0xFFFF, low=1)),
    ),
    "drive_defects": Command(
        lambda b, slave, defects, ramp: b.chain.faults.drive_defects(slave, defects, ramp),
        (_slave(), Argument("defects", 0xFF), Argument("ramp_per_mille", 1000, default=0)),
    ),
    "object_fault": Command(
        lambda b, slave, index, fault: b.object_fault(slave, index, fault),
        (_slave(), Argument("index", 0xFFFF, low=0x1000), Argument("fault", 3)),
    ),
    "clock_drift": Command(
        lambda b, slave, ppm: b.chain.faults.clock_drift(slave, ppm),
        (_slave(), Argument("ppm", low=-1000, high=1000)),
    ),
    "dc_lose": Command(lambda b, slave: b.chain.faults.clock_lose(slave, True), (_slave(),)),
    "dc_follow": Command(lambda b, slave: b.chain.faults.clock_lose(slave, False), (_slave(),)),
    "set_inputs": Command(
        lambda b, slave, bits: b.chain.faults.set_inputs(slave, bits), (_slave(), Argument("bits", 0xFF))
    ),
    "set_safe_image": Command(
        lambda b, slave, image: b.chain.set_safe_image(slave, image),
        (_slave(), Argument("image", image=True)),
    ),
    "truth": Command(lambda b: [b.chain.report.truth(i).to_json() for i in range(len(b.chain))]),
    "events": Command(
        lambda b, slave, since: [e.to_json() for e in b.chain.report.events(slave, since)],
        (_slave(), Argument("since", 1 << 62, default=0)),
    ),
    "trace": Command(
        lambda b, slave, since: [s.to_json() for s in b.chain.report.trace(slave, since)],
        (_slave(), Argument("since", 1 << 62, default=0)),
    ),
    "statistics": Command(lambda b: b.chain.report.statistics().to_json()),
}


def run_command(bench: Bench, request: Any) -> dict[str, Any]:
    """Runs a request; the answer to send.

    What is wrong with the request becomes an error answer, never an exception.
    """
    try:
        result = _run(bench, request)
    except (SegmentError, ValueError) as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, "t_ns": time.monotonic_ns()} | ({} if result is None else {"result": result})


def _run(bench: Bench, request: Any) -> Any:
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        raise CommandError('a request is an object with a text "command"')
    values = dict(request)
    name = values.pop("command")
    command = COMMANDS.get(name)
    if command is None:
        raise CommandError(f"unknown command {name!r}; known are {', '.join(sorted(COMMANDS))}")
    arguments = [_argument(bench, name, argument, values) for argument in command.arguments]
    if values:
        raise CommandError(f"{name} takes no {', '.join(sorted(values))}")
    return command.run(bench, *arguments)


def _argument(bench: Bench, command: str, argument: Argument, values: dict[str, Any]) -> int | bytes:
    value = values.pop(argument.name, argument.default)
    if argument.image:
        return _image(command, argument.name, value)
    high = len(bench.chain) - 1 if argument.slave else argument.high
    if isinstance(value, bool) or not isinstance(value, int) or not argument.low <= value <= high:
        raise CommandError(
            f"{command}: {argument.name} is {value!r}, must be an integer from {argument.low} to {high}"
        )
    return value


def _image(command: str, name: str, value: object) -> bytes:
    try:
        return bytes.fromhex(value if isinstance(value, str) else "?")
    except ValueError:
        raise CommandError(f"{command}: {name} is {value!r}, must be bytes as hexadecimal text") from None
