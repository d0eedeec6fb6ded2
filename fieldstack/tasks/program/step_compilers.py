"""From a declared step to the action that a runner performs: a function for each kind of step.

`COMPILERS` has them by the key of the step. Each gets the key's value, its path in the file, and the
Resolution, to which it tells what this machine cannot do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fieldstack.tasks.program.actions import (
    Action,
    CallAction,
    InputAction,
    MoveAction,
    OutputAction,
    WaitAction,
)
from fieldstack.tasks.program.declaration import Call, Move, Wait, WaitInput
from fieldstack.tasks.program.resolution import Resolution
from fieldstack_base.yaml_source import KeyPath

MAX_ARGUMENT_BYTES = 4096


def _move(move: Move, path: KeyPath, resolution: Resolution) -> MoveAction:
    if not resolution.moves_axes(path):
        return MoveAction((), 1.0)
    targets = resolution.targets(move.to, (*path, "to"))
    switches = [
        (one.at_percent / 100, resolution.outputs(one.set_output, (*path, "switch", at, "set_output")))
        for at, one in enumerate(move.switch)
    ]
    switches.sort(key=lambda item: item[0])
    return MoveAction(targets, move.speed_percent / 100, tuple(switches))


def _wait(wait: Wait, _path: KeyPath, _resolution: Resolution) -> WaitAction:
    return WaitAction(wait.ms)


def _set_output(values: Mapping[str, bool | int], path: KeyPath, resolution: Resolution) -> OutputAction:
    return OutputAction(resolution.outputs(values, path))


def _wait_input(wait: WaitInput, path: KeyPath, resolution: Resolution) -> InputAction:
    resolution.check_input(wait.input, (*path, "input"))
    return InputAction(wait.input, wait.value, wait.timeout_ms)


def _call(call: Call, path: KeyPath, resolution: Resolution) -> CallAction:
    default_ms = resolution.call_timeout_ms(call.name, (*path, "name"))
    if len(json.dumps(call.arguments)) > MAX_ARGUMENT_BYTES:
        hint = "Pass a file's name or a key instead."
        resolution.refuse((*path, "arguments"), None, f"larger than {MAX_ARGUMENT_BYTES} bytes", hint)
    return CallAction(call.name, call.arguments, call.timeout_ms or default_ms or 1, call.repeatable)


COMPILERS: Mapping[str, Callable[[Any, KeyPath, Resolution], Action]] = {
    "move": _move,
    "wait": _wait,
    "set_output": _set_output,
    "wait_input": _wait_input,
    "call": _call,
}
