"""A declared task against a machine: a program to run, or every reason why this machine cannot run it.

The command handler compiles what is submitted, the restoration what the last process left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldstack.tasks.program.actions import Action, WaitAction
from fieldstack.tasks.program.declaration import Step, TaskDeclaration
from fieldstack.tasks.program.machine import Machine
from fieldstack.tasks.program.program import Block
from fieldstack.tasks.program.resolution import Resolution
from fieldstack.tasks.program.step_compilers import COMPILERS
from fieldstack_base.configuration_error import ConfigurationError
from fieldstack_base.yaml_source import KeyPath


@dataclass(frozen=True, slots=True)
class CompiledTask:
    """What runs. `groups`: the names of those it may run on, best first; none: it moves nothing.

    `problem`: why this machine cannot run it, which could once; then nothing of it runs.
    """

    declaration: TaskDeclaration
    program: Block
    groups: tuple[str, ...]
    problem: str = ""

    @classmethod
    def impossible(cls, declaration: TaskDeclaration, problem: str) -> CompiledTask:
        """Stands for a task that the machine cannot run any more: as many steps, each of them nothing."""
        return cls(declaration, Block((WaitAction(1),), _size(declaration.steps)), (), problem)


def _size(steps: Sequence[Step]) -> int:
    """Steps in all, with what is repeated."""
    nested = [(step.repeat.times, step.repeat.steps) if step.repeat else (1, step.sequence) for step in steps]
    return sum(times * _size(inner) if inner else 1 for times, inner in nested)


def compile_task(
    task: TaskDeclaration,
    machine: Machine,
    call_timeouts: Mapping[str, int],
    file: str,
    broken: Mapping[str, str] | None = None,
) -> CompiledTask:
    """Check a task against the machine; `call_timeouts`: configured calls and their time-outs in ms.

    `broken`: those of them that cannot be used at present, and why; then no task that needs them is taken.

    Raises:
        ConfigurationError: names everything that this machine cannot do.
    """
    resolution = Resolution(task, machine, call_timeouts, broken or {})
    program = Block(_items(task.steps, ("steps",), resolution))
    if resolution.issues:
        raise ConfigurationError(file, tuple(resolution.issues))
    return CompiledTask(task, program, resolution.usable_groups)


def _items(steps: Sequence[Step], base: KeyPath, resolution: Resolution) -> tuple[Action | Block, ...]:
    return tuple(_item(step, (*base, at), resolution) for at, step in enumerate(steps))


def _item(step: Step, path: KeyPath, resolution: Resolution) -> Action | Block:
    here = (*path, step.kind)
    if step.sequence is not None:
        return Block(_items(step.sequence, here, resolution))
    if step.repeat is not None:
        return Block(_items(step.repeat.steps, (*here, "steps"), resolution), step.repeat.times)
    return COMPILERS[step.kind](getattr(step, step.kind), here, resolution)
