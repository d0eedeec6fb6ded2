"""A declared task against a machine: names resolved, positions within limits, or every reason why not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fieldstack.tasks.program.declaration import Call, Move, Step, TaskDeclaration
from fieldstack.tasks.program.machine import Group, Machine, Signal
from fieldstack.tasks.program.program import (
    Action,
    Block,
    CallAction,
    InputAction,
    MoveAction,
    OutputAction,
    Outputs,
    WaitAction,
)
from fieldstack_base.configuration_error import ConfigurationError, ConfigurationIssue
from fieldstack_base.configuration_issues import shorten
from fieldstack_base.yaml_source import KeyPath, key_text

MAX_ARGUMENT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class CompiledTask:
    """What runs. `groups`: the names of those it may run on, best first; none: it moves nothing.

    `problem`: why this machine can not run it, which could once; then nothing of it runs.
    """

    declaration: TaskDeclaration
    program: Block
    groups: tuple[str, ...]
    problem: str = ""

    @classmethod
    def impossible(cls, declaration: TaskDeclaration, problem: str) -> CompiledTask:
        """Stands for a task that the machine can not run any more: as many steps, each of them nothing."""
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

    `broken`: those of them that can not be used at present, and why; then no task that needs them is taken.

    Raises:
        ConfigurationError: names everything that this machine can not do.
    """
    return _Compilation(task, machine, call_timeouts, file, broken or {}).run()


class _Compilation:
    def __init__(
        self,
        task: TaskDeclaration,
        machine: Machine,
        call_timeouts: Mapping[str, int],
        file: str,
        broken: Mapping[str, str],
    ) -> None:
        self._task, self._machine, self._calls, self._file = task, machine, call_timeouts, file
        self._broken = broken
        self._issues: list[ConfigurationIssue] = []
        self._groups = self._candidates()
        self._usable = {group.name for group in self._groups}
        """Groups in whose limits every position seen so far is."""

    def run(self) -> CompiledTask:
        self._check_trigger()
        program = Block(self._items(self._task.steps, ("steps",)))
        if self._issues:
            raise ConfigurationError(self._file, tuple(self._issues))
        groups = tuple(group.name for group in self._groups if group.name in self._usable)
        return CompiledTask(self._task, program, groups)

    def _refuse(self, path: KeyPath, value: object, problem: str, hint: str) -> None:
        shown = "" if value is None else shorten(value)
        self._issues.append(ConfigurationIssue(key_text(path), shown, problem, hint))

    # ---- resources ----

    def _candidates(self) -> tuple[Group, ...]:
        needs, groups = self._task.needs, self._machine.groups
        if needs is None:
            return ()
        if needs.group is not None:
            chosen = groups.get(needs.group)
            if chosen is None:
                self._refuse(("needs", "group"), needs.group, "no such axis group", _known("Groups", groups))
                return ()
            spare = [g for g in groups.values() if g is not chosen and g.stands_in_for(chosen)]
            return (chosen, *spare)
        capability = needs.capability or ""
        found = self._machine.with_capability(capability)
        if not found:
            every = {name for group in groups.values() for name in group.capabilities}
            hint = _known("Capabilities", every)
            self._refuse(("needs", "capability"), capability, "no axis group has it", hint)
        return tuple(group for group in found if group.same_axes(found[0]))

    def _check_trigger(self) -> None:
        trigger = self._task.trigger
        if trigger is not None and trigger.input is not None:
            self._input(("trigger", "input"), trigger.input)

    # ---- steps ----

    def _items(self, steps: Sequence[Step], base: KeyPath) -> tuple[Action | Block, ...]:
        made = [self._item(step, (*base, at)) for at, step in enumerate(steps)]
        return tuple(made)

    def _item(self, step: Step, path: KeyPath) -> Action | Block:
        here = (*path, step.kind)
        if step.sequence is not None:
            return Block(self._items(step.sequence, here))
        if step.repeat is not None:
            return Block(self._items(step.repeat.steps, (*here, "steps")), step.repeat.times)
        if step.move is not None:
            return self._move(step.move, here)
        if step.call is not None:
            return self._call(step.call, here)
        return self._signal_step(step, here)

    def _signal_step(self, step: Step, path: KeyPath) -> Action:
        if step.wait_input is not None:
            one = step.wait_input
            self._input((*path, "input"), one.input)
            return InputAction(one.input, one.value, one.timeout_ms)
        if step.set_output is not None:
            return OutputAction(self._outputs(step.set_output, path))
        return WaitAction(step.wait.ms if step.wait else 1)

    def _move(self, move: Move, path: KeyPath) -> MoveAction:
        if not self._groups:
            if self._task.needs is None:
                hint = "Add `needs: {group: ...}` or `needs: {capability: ...}` to the task."
                self._refuse(path, None, "moves axes, but the task needs no axis group", hint)
            return MoveAction((), 1.0)
        targets = self._targets(move, (*path, "to"))
        self._check_limits(move, targets, (*path, "to"))
        switches = [
            (one.at_percent / 100, self._outputs(one.set_output, (*path, "switch", at, "set_output")))
            for at, one in enumerate(move.switch)
        ]
        switches.sort(key=lambda item: item[0])
        return MoveAction(targets, move.speed_percent / 100, tuple(switches))

    def _targets(self, move: Move, path: KeyPath) -> tuple[float | None, ...]:
        first = self._groups[0]
        count = len(first.axes)
        if isinstance(move.to, list):
            if len(move.to) != count:
                problem = f"{len(move.to)} positions for the {count} axes of group {first.name!r}"
                self._refuse(path, move.to, problem, "One a axis in the group's order; null: it stays.")
            return tuple((*move.to, *(None,) * count)[:count])
        frame = self._frame(move.to)
        if frame is None:
            named = [axis.name for axis in first.axes]
            strange = [name for name in move.to if name not in named] or list(move.to)
            problem = f"group {first.name!r} has no axis {', '.join(map(repr, strange))}"
            self._refuse(path, None, problem, _known("Its axes", named))
            return (None,) * count
        return tuple(move.to.get(axis.name) for axis in frame.axes)

    def _frame(self, names: Iterable[str]) -> Group | None:
        """The group whose axes the names are: the one that the task names, or any with the capability."""
        wanted, needs = set(names), self._task.needs
        groups = self._groups[:1] if needs and needs.group else self._groups
        return next((g for g in groups if wanted <= {axis.name for axis in g.axes}), None)

    def _check_limits(self, move: Move, targets: tuple[float | None, ...], path: KeyPath) -> None:
        refusals = {group.name: _outside(group, targets) for group in self._groups}
        before = set(self._usable)
        self._usable -= {name for name, why in refusals.items() if why}
        if before and not self._usable:
            first = self._groups[0]
            axis, value, why = refusals[first.name] or next(found for found in refusals.values() if found)
            keyed = (*path, axis) if isinstance(move.to, dict) else path
            more = "" if len(refusals) == 1 else " (and no other group with that capability can)"
            self._refuse(keyed, value, why + more, "Positions are in the axis's user unit.")

    def _call(self, call: Call, path: KeyPath) -> CallAction:
        default_ms = self._calls.get(call.name)
        if default_ms is None:
            hint = _known("Configured calls", self._calls) + " Name it under core.calls of the cell."
            self._refuse((*path, "name"), call.name, "is not configured", hint)
        elif call.name in self._broken:
            hint = "Mend that and restart the Main Core process: it is imported at its start."
            self._refuse((*path, "name"), call.name, f"can not be used: {self._broken[call.name]}", hint)
        if len(json.dumps(call.arguments)) > MAX_ARGUMENT_BYTES:
            hint = "Pass a file's name or a key instead."
            self._refuse((*path, "arguments"), None, f"larger than {MAX_ARGUMENT_BYTES} bytes", hint)
        return CallAction(call.name, call.arguments, call.timeout_ms or default_ms or 1, call.repeatable)

    # ---- signals ----

    def _outputs(self, wanted: Mapping[str, bool | int], path: KeyPath) -> Outputs:
        for name, value in wanted.items():
            signal = self._machine.outputs.get(name)
            if signal is None:
                self._refuse((*path, name), value, "no such output", _known("Outputs", self._machine.outputs))
            elif not 0 <= int(value) <= signal.mask:
                self._refuse(
                    (*path, name), value, f"does not fit into {signal.bits} bit", "Use a smaller one."
                )
        return tuple((name, int(value)) for name, value in wanted.items())

    def _input(self, path: KeyPath, name: str) -> None:
        signal: Signal | None = self._machine.inputs.get(name)
        if signal is None:
            self._refuse(path, name, "no such input", _known("Inputs", self._machine.inputs))


def _outside(group: Group, targets: tuple[float | None, ...]) -> tuple[str, float, str] | None:
    """The first axis that can not go there: its name, the position, and why."""
    for axis, target in zip(group.axes, targets, strict=True):
        if target is None:
            continue
        low = axis.position_min_counts / axis.counts_per_unit
        high = axis.position_max_counts / axis.counts_per_unit
        low, high = min(low, high), max(low, high)
        if not low <= target <= high:
            return axis.name, target, f"outside of axis {axis.name!r}: {low:g} to {high:g} {axis.unit}"
    return None


def _known(what: str, names: Iterable[str]) -> str:
    return f"{what} here: {', '.join(sorted(names)) or 'none'}."
