"""What the scheduler has to know of each task that runs or could: its claim on an axis group.

The assignment (assignment.py) asks for it. A task that may not begin says in `waits` why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from fieldstack.tasks.program.declaration import OnResourceLost
from fieldstack.tasks.run.scheduler import Claim
from fieldstack.tasks.state.phase import Phase
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import Task

BlockReason = Callable[[Task, str], str]
"""Why a run of a task may not begin on a group now; empty: it may."""


def claims(table: TaskTable, out_of_use: Collection[str], blocked: BlockReason) -> list[Claim]:
    """Of all live tasks that run or could. `out_of_use`: groups that tasks were moved away from."""
    found = []
    for task in table.live():
        runner = task.runner
        task.waits = ""
        if runner is None and (task.phase is not Phase.READY or task.pending_changes):
            continue
        if runner is not None and runner.end is not None:
            continue  # its last setpoints are being played
        groups = (task.group,) if task.group else _open_to(task, out_of_use)
        if runner is None:
            groups = _open_now(task, groups, blocked)
        if not groups and task.compiled.groups:
            continue
        holds = None if runner is None else runner.group_name
        found.append(Claim(task.id, task.declaration.priority.rank, task.queued, groups, holds))
    return found


def _open_now(task: Task, groups: tuple[str, ...], blocked: BlockReason) -> tuple[str, ...]:
    """Those that are not blocked; where none is left, the task says why it waits."""
    why = {name: blocked(task, name) for name in groups}
    if groups and all(why.values()):
        task.waits = why[groups[0]]
    return tuple(name for name in groups if not why[name])


def _open_to(task: Task, out_of_use: Collection[str]) -> tuple[str, ...]:
    """Groups that a run may begin on. One that a task names has stand-ins only once it is out of use."""
    needs, groups = task.declaration.needs, task.compiled.groups
    named = needs is not None and needs.group is not None
    if named and (groups[0] not in out_of_use or task.declaration.on_resource_lost is OnResourceLost.FAIL):
        return groups[:1]
    return tuple(name for name in groups if name not in out_of_use)
