"""What time and inputs do to the tasks: triggers, periods, and pending changes once a task stands.

The executor calls `tick` once a pass.
"""

from __future__ import annotations

from collections.abc import Mapping

from fieldstack.tasks.program.declaration import Edge
from fieldstack.tasks.program.machine import Signal
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import PendingChange, Task


def tick(table: TaskTable, now_ns: int, inputs: Mapping[str, Signal], image: bytes) -> list[Task]:
    """One pass on; `image`: the inputs as read. Returns the tasks that ended with it."""
    live = list(table.live())
    for task in live:
        _watch_input(task, inputs, image)
        if task.runner is None:
            _apply_pending(task)
        task.wake(now_ns)
    return [task for task in live if task.phase in FINAL]


def _watch_input(task: Task, inputs: Mapping[str, Signal], image: bytes) -> None:
    trigger = task.declaration.trigger
    if trigger is None or trigger.input is None or trigger.input not in inputs:
        return
    seen, before = bool(inputs[trigger.input].value(image)), task.input_seen
    task.input_seen = seen
    if before is not None and seen is not before and seen is (trigger.edge is Edge.RISING):
        task.triggered = True


def _apply_pending(task: Task) -> None:
    """What is to become of a task comes true once it stands."""
    if PendingChange.CANCEL in task.pending_changes:
        task.end(Phase.CANCELLED)
    elif PendingChange.FAIL in task.pending_changes:
        task.end(Phase.FAILED, task.why)
    else:
        if PendingChange.RESTART in task.pending_changes:
            task.restart()
        if PendingChange.PAUSE in task.pending_changes and task.phase is not Phase.ASKING:
            task.phase, task.why = Phase.PAUSED, "by an operator"
    task.pending_changes.clear()
