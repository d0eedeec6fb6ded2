"""Tasks and the executor as `list` and `status` show them: JSON-ready. The command handler uses it."""

from __future__ import annotations

from typing import Any

from fieldstack.tasks.run.calls import CallRunner
from fieldstack.tasks.run.executor import TaskExecutor
from fieldstack.tasks.state.phase import Phase
from fieldstack.tasks.state.task import Task

WAITS_FOR_START = "waits for a start (fieldstack start)"


def task_view(executor: TaskExecutor, task: Task) -> dict[str, Any]:
    """One task, with what it waits for: axes that nobody has started stand, whoever asks."""
    waits = executor.waits_for_start and task.phase is Phase.READY and bool(task.compiled.groups)
    shown = task.describe()
    if trigger := waits_for_trigger(task):
        return shown | {"doing": f"waits {trigger}"}
    return shown | ({"doing": WAITS_FOR_START, "why": shown["why"] or WAITS_FOR_START} if waits else {})


def waits_for_trigger(task: Task) -> str:
    """Of a task that an operator's word begins, the command; empty: it does not wait for that."""
    trigger = task.declaration.trigger
    if task.phase is not Phase.WAITING or trigger is None or not trigger.operator:
        return ""
    return f"for its trigger: `fieldstack task trigger {task.id}`"


def executor_view(executor: TaskExecutor, calls: CallRunner) -> dict[str, Any]:
    """The executor, its axis groups and all tasks."""
    table = executor.table
    return {
        "state": executor.state.name.lower(),
        "speed_override": executor.speed_override,
        "safe_moment": executor.safe_moment,
        "tasks_running": executor.running,
        "steps_done": table.steps,
        "groups": _groups(executor),
        "calls": {"under_way": calls.busy, "broken": calls.broken},
        "waits_for_start": executor.waits_for_start,
        "tasks": [task_view(executor, task) for task in table.tasks.values()],
    }


def _groups(executor: TaskExecutor) -> dict[str, dict[str, Any]]:
    owners = {task.runner.group_name: task.id for task in executor.table.live() if task.runner}
    return {
        name: {
            "axes": [axis.name for axis in group.axes],
            "capabilities": sorted(group.capabilities),
            "available": name in executor.groups.available,
            "out_of_use": name in executor.groups.out_of_use,
            "task": owners.get(name, ""),
        }
        for name, group in executor.machine.groups.items()
    }
