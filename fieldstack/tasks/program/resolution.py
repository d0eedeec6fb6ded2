"""The names and positions of one declared task, resolved against a machine; what does not fit is an issue.

The compilation of a task has one Resolution. It narrows the axis groups that the task may run on with each
position that it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fieldstack.tasks.program.actions import Outputs
from fieldstack.tasks.program.declaration import TaskDeclaration
from fieldstack.tasks.program.machine import Group, Machine
from fieldstack_base.configuration_error import ConfigurationIssue
from fieldstack_base.configuration_issues import shorten
from fieldstack_base.yaml_source import KeyPath, key_text

Positions = Mapping[str, float] | list[float | None]
"""User units: by axis name, or in the order of the group."""
Targets = tuple[float | None, ...]


class Resolution:
    """`issues`: all that this machine cannot do, for people."""

    def __init__(
        self,
        task: TaskDeclaration,
        machine: Machine,
        call_timeouts: Mapping[str, int],
        broken: Mapping[str, str],
    ) -> None:
        self._task, self._machine, self._calls, self._broken = task, machine, call_timeouts, broken
        self.issues: list[ConfigurationIssue] = []
        self._groups = self._candidates()
        self._usable = {group.name for group in self._groups}
        """Groups in whose limits every position seen so far is."""
        if task.trigger is not None and task.trigger.input is not None:
            self.check_input(task.trigger.input, ("trigger", "input"))

    @property
    def usable_groups(self) -> tuple[str, ...]:
        """Names of the groups that the task may run on, best first."""
        return tuple(group.name for group in self._groups if group.name in self._usable)

    def refuse(self, path: KeyPath, value: object, problem: str, hint: str) -> None:
        """Note what is wrong at `path`, and what to do."""
        shown = "" if value is None else shorten(value)
        self.issues.append(ConfigurationIssue(key_text(path), shown, problem, hint))

    # ---- axis groups ----

    def _candidates(self) -> tuple[Group, ...]:
        needs, groups = self._task.needs, self._machine.groups
        if needs is None:
            return ()
        if needs.group is not None:
            chosen = groups.get(needs.group)
            if chosen is None:
                self.refuse(("needs", "group"), needs.group, "no such axis group", known("Groups", groups))
                return ()
            spare = [g for g in groups.values() if g is not chosen and g.stands_in_for(chosen)]
            return (chosen, *spare)
        capability = needs.capability or ""
        found = self._machine.with_capability(capability)
        if not found:
            every = {name for group in groups.values() for name in group.capabilities}
            hint = known("Capabilities", every)
            self.refuse(("needs", "capability"), capability, "no axis group has it", hint)
        return tuple(group for group in found if group.same_axes(found[0]))

    def moves_axes(self, path: KeyPath) -> bool:
        """Whether there is a group to move; it is an issue if the task names none."""
        if not self._groups and self._task.needs is None:
            hint = "Add `needs: {group: ...}` or `needs: {capability: ...}` to the task."
            self.refuse(path, None, "moves axes, but the task needs no axis group", hint)
        return bool(self._groups)

    # ---- positions ----

    def targets(self, to: Positions, path: KeyPath) -> Targets:
        """Positions in the order of the group, each within the limits of a group that is still usable."""
        targets = self._in_order(to, path)
        refusals = {group.name: _outside(group, targets) for group in self._groups}
        before = set(self._usable)
        self._usable -= {name for name, why in refusals.items() if why}
        if before and not self._usable:
            first = self._groups[0]
            axis, value, why = refusals[first.name] or next(found for found in refusals.values() if found)
            keyed = (*path, axis) if isinstance(to, Mapping) else path
            more = "" if len(refusals) == 1 else " (and no other group with that capability can)"
            self.refuse(keyed, value, why + more, "Positions are in the axis's user unit.")
        return targets

    def _in_order(self, to: Positions, path: KeyPath) -> Targets:
        first = self._groups[0]
        count = len(first.axes)
        if not isinstance(to, Mapping):
            if len(to) != count:
                problem = f"{len(to)} positions for the {count} axes of group {first.name!r}"
                self.refuse(
                    path, to, problem, "One for each axis, in the group's order; null: that axis stays."
                )
            return tuple((*to, *(None,) * count)[:count])
        frame = self._frame(to)
        if frame is None:
            named = [axis.name for axis in first.axes]
            strange = [name for name in to if name not in named] or list(to)
            problem = f"group {first.name!r} has no axis {', '.join(map(repr, strange))}"
            self.refuse(path, None, problem, known("Its axes", named))
            return (None,) * count
        return tuple(to.get(axis.name) for axis in frame.axes)

    def _frame(self, names: Iterable[str]) -> Group | None:
        """The group whose axes the names are: the one that the task names, or any with the capability."""
        wanted, needs = set(names), self._task.needs
        groups = self._groups[:1] if needs and needs.group else self._groups
        return next((g for g in groups if wanted <= {axis.name for axis in g.axes}), None)

    # ---- signals and calls ----

    def outputs(self, wanted: Mapping[str, bool | int], path: KeyPath) -> Outputs:
        """Outputs by name, with values that fit."""
        for name, value in wanted.items():
            signal = self._machine.outputs.get(name)
            if signal is None:
                self.refuse((*path, name), value, "no such output", known("Outputs", self._machine.outputs))
            elif not 0 <= int(value) <= signal.mask:
                problem = f"does not fit into {signal.bits} bit"
                self.refuse((*path, name), value, problem, "Use a smaller one.")
        return tuple((name, int(value)) for name, value in wanted.items())

    def check_input(self, name: str, path: KeyPath) -> None:
        if name not in self._machine.inputs:
            self.refuse(path, name, "no such input", known("Inputs", self._machine.inputs))

    def call_timeout_ms(self, name: str, path: KeyPath) -> int | None:
        """The configured time-out of a call."""
        default_ms = self._calls.get(name)
        if default_ms is None:
            hint = known("Configured calls", self._calls) + " Name it under core.calls of the cell."
            self.refuse(path, name, "is not configured", hint)
        elif name in self._broken:
            hint = "Correct that and restart the Main Core process: it is imported at its start."
            self.refuse(path, name, f"cannot be used: {self._broken[name]}", hint)
        return default_ms


def _outside(group: Group, targets: Targets) -> tuple[str, float, str] | None:
    """The first axis that cannot go there: its name, the position, and why."""
    for axis, target in zip(group.axes, targets, strict=True):
        if target is None:
            continue
        low = axis.position_min_counts / axis.counts_per_unit
        high = axis.position_max_counts / axis.counts_per_unit
        low, high = min(low, high), max(low, high)
        if not low <= target <= high:
            return axis.name, target, f"outside of axis {axis.name!r}: {low:g} to {high:g} {axis.unit}"
    return None


def known(what: str, names: Iterable[str]) -> str:
    """A hint for people: the names that there are."""
    return f"{what} here: {', '.join(sorted(names)) or 'none'}."
