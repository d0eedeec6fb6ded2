"""What a schema cannot say of a task: keys that do not go together, and calls that would run twice.

The declaration calls it. Each check yields findings: key path, value, what is wrong, what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldstack.tasks.program.declaration import Step, TaskDeclaration
    from fieldstack_base.yaml_source import KeyPath

    Finding = tuple[KeyPath, Any, str, str]

MAX_DEPTH = 8
MAX_STEPS = 2000
"""Steps written down in one task; `repeat` multiplies them without limit."""


def find_conflicts(task: TaskDeclaration) -> Iterator[Finding]:
    """All findings of one declaration."""
    yield from _mode(task)
    yield from _trigger(task)
    yield from _needs(task)
    steps = list(walk(task.steps))
    if len(steps) > MAX_STEPS:
        yield ("steps",), None, f"has {len(steps)} steps", f"At most {MAX_STEPS}; use `repeat` or more tasks."
    for path, step in steps:
        yield from _step(path, step)
        if step.call is not None:
            yield from _not_plain((*path, "call", "arguments"), step.call.arguments)
    yield from _calls(task, steps)


def walk(steps: Sequence[Step], base: KeyPath = ("steps",)) -> Iterator[tuple[KeyPath, Step]]:
    """All steps with their key paths, nested ones behind those that hold them."""
    for at, step in enumerate(steps):
        path = (*base, at)
        yield path, step
        if step.sequence is not None:
            yield from walk(step.sequence, (*path, "sequence"))
        if step.repeat is not None:
            yield from walk(step.repeat.steps, (*path, "repeat", "steps"))


def _mode(task: TaskDeclaration) -> Iterator[Finding]:
    belongs = {"period_ms": "PERIODIC", "trigger": "TRIGGERED"}
    for key, mode in belongs.items():
        value = getattr(task, key)
        if task.mode == mode and value is None:
            yield ("mode",), mode, f"needs the key {key}", f"Add {key}, or choose another mode."
        if task.mode != mode and value is not None:
            yield (key,), None, f"belongs to mode {mode}, this task is {task.mode}", "Change one of the two."
    if task.mode == "ONCE" and task.runs is not None:
        yield ("runs",), task.runs, "a ONCE task runs once", "Choose PERIODIC or TRIGGERED, or leave it out."


def _trigger(task: TaskDeclaration) -> Iterator[Finding]:
    trigger = task.trigger
    if trigger is None:
        return
    chosen = [trigger.input is not None, trigger.after is not None, trigger.operator]
    if sum(chosen) != 1:
        yield ("trigger",), None, "needs exactly one of input, after, operator", "Keep one of them."
    if trigger.after == task.id:
        yield ("trigger", "after"), task.id, "a task cannot wait for its own end", "PERIODIC repeats a task."


def _needs(task: TaskDeclaration) -> Iterator[Finding]:
    needs = task.needs
    if needs is not None and (needs.group is None) == (needs.capability is None):
        yield ("needs",), None, "needs exactly one of group, capability", "Keep one of them."


def _step(path: KeyPath, step: Step) -> Iterator[Finding]:
    from fieldstack.tasks.program.declaration import STEP_KINDS

    kinds = [key for key in STEP_KINDS if getattr(step, key) is not None]
    if len(kinds) != 1:
        found = ", ".join(kinds) or "none"
        yield path, None, f"a step has exactly one action, this one has {found}", _one_of(STEP_KINDS)
    if sum(isinstance(part, int) for part in path) > MAX_DEPTH:
        yield path, None, f"nested more than {MAX_DEPTH} deep", "Flatten the sequence."


def _one_of(kinds: Sequence[str]) -> str:
    return f"One of: {', '.join(kinds)}; begin a new list item for the next step."


def _not_plain(path: KeyPath, value: Any, depth: int = 0) -> Iterator[Finding]:
    """What is no JSON: it would come back as something else from the task's file."""
    if depth > MAX_DEPTH:
        yield path, None, f"nested more than {MAX_DEPTH} deep", "Pass a file's name or a key instead."
    elif isinstance(value, dict):
        for key, member in value.items():
            if isinstance(key, str):
                yield from _not_plain((*path, key), member, depth + 1)
            else:
                kind = type(key).__name__
                yield (*path, str(key)), None, f"a key of type {kind}, not text", "Put it in quotes."
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from _not_plain((*path, at), member, depth + 1)
    elif isinstance(value, float) and not isfinite(value):
        yield path, value, "JSON has no such number", "Leave it out, or pass it as text."
    elif value is not None and not isinstance(value, (bool, int, float, str)):
        kind = type(value).__name__
        yield path, value, f"a value of type {kind}, which JSON does not have", "Put it in quotes."


def _calls(task: TaskDeclaration, steps: Sequence[tuple[KeyPath, Step]]) -> Iterator[Finding]:
    """A task that starts again from its first step would repeat its calls."""
    again = {
        "on_crash": task.on_crash == "restart",
        "on_resource_lost": task.on_resource_lost == "move_restart",
    }
    for path, step in steps:
        if step.call is None or step.call.repeatable:
            continue
        for key in (key for key, restarts in again.items() if restarts):
            yield (
                (*path, "call"),
                step.call.name,
                f"would run twice after a restart ({key}: {getattr(task, key)})",
                "Declare `repeatable: true` if that is harmless; else go on instead of restarting.",
            )
