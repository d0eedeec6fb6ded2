"""An axis group is taken out of use: its tasks move to other groups that can do the same, as each declares.

The command handler calls it when a person or the policy orders it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from fieldstack.tasks.program.declaration import OnResourceLost
from fieldstack.tasks.run.executor import TaskExecutor
from fieldstack.tasks.state.table import TaskError
from fieldstack.tasks.state.task import PendingChange, Task


@dataclass(slots=True)
class Reallocation:
    """What moved where, and what could not: JSON-ready."""

    moved: list[dict[str, str]] = field(default_factory=list)
    not_moved: list[dict[str, str]] = field(default_factory=list)
    stuck: bool = False
    """A task that declares that it moves found no place."""

    def text(self) -> str:
        moved = [f"{one['task']}: {one['from']} -> {one['to']} ({one['how']})" for one in self.moved]
        stuck = [f"{one['task']}: not moved: {one['why']}" for one in self.not_moved]
        return "; ".join(moved + stuck) or "nothing to do: no task was bound to it"


def reallocate(executor: TaskExecutor, group: str, *, keep: bool = False) -> Reallocation:
    """Take a group out of use, until it has been seen out of order and in order again, and move its tasks.

    `keep`: tasks that cannot move, or declare that they do not, wait for the group instead of failing; and
    where nothing moves, or the group is in order again by now, it stays in use. Nothing moves to a group that
    is out of order as well.

    Raises:
        TaskError: there is no such group.
    """
    groups = executor.machine.groups
    if group not in groups:
        raise TaskError(f"there is no axis group {group!r}; groups here: {', '.join(groups) or 'none'}")
    done = Reallocation()
    if keep and group in executor.groups.available:
        return done
    known = group in executor.groups.out_of_use
    executor.groups.take_out(group)
    taken = {task.group for task in executor.table.live() if task.group}
    for task in list(executor.table.live()):
        if task.ends:
            continue
        bound = task.group == group
        if not bound and (task.group or task.compiled.groups[:1] != (group,)):
            continue
        if keep and task.declaration.on_resource_lost is OnResourceLost.FAIL:
            done.not_moved.append({"task": task.id, "why": f"it waits for {group!r}"})
        elif bound:
            _move_bound(executor, task, taken, done, only_well=keep)
        else:
            _move_unbound(executor, task, done)
    if keep:
        done.stuck = False
        if not done.moved and not known:
            executor.groups.give_back(group)
    return done


def give_back(executor: TaskExecutor, group: str) -> str:
    """Tasks may use the group again. Raises TaskError if it was not taken out of use."""
    out_of_use = executor.groups.out_of_use
    if group not in out_of_use:
        raise TaskError(f"axis group {group!r} is in use; out of use are: {', '.join(out_of_use) or 'none'}")
    executor.groups.give_back(group)
    return f"axis group {group!r} is in use again"


def _move_bound(
    executor: TaskExecutor, task: Task, taken: set[str], done: Reallocation, *, only_well: bool
) -> None:
    """A run is under way on the lost group."""
    before, how = task.group, task.declaration.on_resource_lost
    if how is OnResourceLost.FAIL:
        why = f"its axis group {before!r} was lost (on_resource_lost: fail)"
        _fail(task, why)
        done.not_moved.append({"task": task.id, "why": why})
        return
    others = [name for name in _others(executor, task) if not only_well or name in executor.groups.available]
    chosen = _best(others, executor.groups.available, taken)
    if chosen is None:
        why = f"no other axis group can do the same; it waits for {before!r}"
        done.stuck = True
        done.not_moved.append({"task": task.id, "why": why})
        return
    task.group = chosen
    taken.add(chosen)
    restarts = how is OnResourceLost.MOVE_RESTART
    if restarts:
        task.pending_changes.add(PendingChange.RESTART)
    if task.runner is not None:
        task.runner.halt()
    word = "restarted" if restarts else "resumed"
    done.moved.append({"task": task.id, "from": before, "to": chosen, "how": word})


def _move_unbound(executor: TaskExecutor, task: Task, done: Reallocation) -> None:
    """Its next run would begin on the lost group: the table looks for another one by itself."""
    others = _others(executor, task)
    fails = task.declaration.on_resource_lost is OnResourceLost.FAIL
    needs = task.declaration.needs
    named = needs is not None and needs.group is not None
    before = task.compiled.groups[0]
    if not others or (named and fails):
        why = f"waits until {before!r} is back" if named and fails else "no other axis group can do the same"
        done.not_moved.append({"task": task.id, "why": why})
        done.stuck |= not fails
    else:
        done.moved.append({"task": task.id, "from": before, "to": others[0], "how": "not begun yet"})


def _others(executor: TaskExecutor, task: Task) -> list[str]:
    return [name for name in task.compiled.groups if name not in executor.groups.out_of_use]


def _best(names: list[str], available: Collection[str], taken: Collection[str]) -> str | None:
    """One that works and is free, else one that works, else any."""
    return min(names, key=lambda name: (name not in available, name in taken), default=None)


def _fail(task: Task, why: str) -> None:
    task.fail(why)
    if task.runner is not None:
        task.runner.halt()
