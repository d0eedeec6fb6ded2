"""Jogging on the control socket: `jog` begins one, `jog_renew` holds it, `jog_release` lets it go.

The command handler takes these commands into its own. Times in requests are CLOCK_MONOTONIC ns of this
machine: when the person was last seen to hold the axis. So a request that was delayed on its way holds the
axis no longer than it should.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fieldstack.tasks.control.loop_queue import LoopQueue
from fieldstack.tasks.run.executor import TaskExecutor
from fieldstack.tasks.run.jogging import HOLD_NS, Jog, JogRequest
from fieldstack.tasks.state.table import TaskError
from fieldstack_base.control.server import Command

Answer = tuple[str, dict[str, Any]]
DIRECTIONS = {"+": 1, "-": -1}


def jog_commands(executor: TaskExecutor, loop_queue: LoopQueue) -> dict[str, Callable[[Command], Answer]]:
    """By name; each is done in the feeding loop."""
    jogging = executor.jogging

    def begin(command: Command) -> Answer:
        request = _jog_request(command)
        jog = loop_queue.ask(
            lambda: jogging.begin(time.monotonic_ns(), request, executor.facts, executor.table)
        )
        print(f"jog {jog.number}: axis {request.axis}, by {command.text('by') or 'unknown'}", flush=True)
        return _jog_answer(executor, jog)

    def renew(command: Command) -> Answer:
        number, held_ns = _number(command, "jog"), _number(command, "held_ns")
        return _jog_answer(
            executor, loop_queue.ask(lambda: jogging.renew(time.monotonic_ns(), number, held_ns))
        )

    def release(command: Command) -> Answer:
        number = _number(command, "jog")
        return _jog_answer(executor, loop_queue.ask(lambda: jogging.release(number)))

    return {"jog": begin, "jog_renew": renew, "jog_release": release}


def _jog_answer(executor: TaskExecutor, jog: Jog) -> Answer:
    facts, number = executor.facts, executor.machine.axes.index(jog.axis)
    at = facts.targets[number] / jog.axis.counts_per_unit if facts is not None else None
    more = {"jog": jog.number, "ended": jog.ended, "reached": jog.reached, "hold_ms": HOLD_NS // 1_000_000}
    return jog.ended, more | {"position": at, "unit": jog.axis.unit}


def _jog_request(command: Command) -> JogRequest:
    direction, percent = DIRECTIONS.get(command.text("direction")), command.data.get("percent", 100)
    if direction is None:
        raise TaskError(f"direction {command.text('direction')!r}: + or -")
    if not isinstance(percent, int | float):
        raise TaskError(f"speed {percent!r}: a number, percent of the axis's jog velocity")
    return JogRequest(command.text("axis"), direction, float(percent), _number(command, "held_ns"))


def _number(command: Command, key: str) -> int:
    value = command.data.get(key)
    if not isinstance(value, int):
        raise TaskError(f"{key} {value!r}: a whole number is needed")
    return value
