"""What people ask of a task: cancel, pause, resume, trigger. The command handler calls it between two passes.

A task that runs comes to rest first: what was asked is a pending change until then.
"""

from __future__ import annotations

from fieldstack.tasks.program.declaration import Mode
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.table import TaskError, TaskTable
from fieldstack.tasks.state.task import PendingChange, Task


class OperatorCommands:
    """Each returns the answer for the person who asked.

    Raises:
        TaskError: from all of them: there is no such task, or it cannot be done now.
    """

    def __init__(self, table: TaskTable) -> None:
        self._table = table

    def cancel(self, task_id: str) -> str:
        """Of a task that has failed: people have seen that, and its alert ends."""
        if self._table.failures.pop(task_id, None) is not None:
            return f"task {task_id!r} has failed: noted, its alert ends"
        task = self._not_ended(task_id)
        task.pending_changes.add(PendingChange.CANCEL)
        return f"task {task_id!r}: comes to rest, then it is cancelled" if task.runner else "cancelled"

    def pause(self, task_id: str) -> str:
        task = self._not_ending(task_id)
        if task.phase in (Phase.PAUSED, Phase.ASKING):
            raise TaskError(f"task {task_id!r} is {task.phase} already")
        task.pending_changes.add(PendingChange.PAUSE)
        return f"task {task_id!r}: comes to rest and pauses" if task.runner else "paused"

    def resume(self, task_id: str, by: str, answer: str = "") -> str:
        """`answer`: `redo` or `done`, for a call of which nobody knows whether it ended."""
        task = self._not_ending(task_id)
        _check_resume(task, by, answer)
        task.pending_changes.discard(PendingChange.PAUSE)
        about_call, task.asks_about_call, task.why = task.asks_about_call, False, ""
        if task.phase in (Phase.PAUSED, Phase.ASKING):
            due = task.begun or task.run_due or not _waits(task)
            task.phase = Phase.READY if due else Phase.WAITING
        if about_call and answer == "done":
            self._table.complete_step(task, 0)
        return f"task {task_id!r} goes on (by {by})"

    def trigger(self, task_id: str) -> str:
        task = self._not_ended(task_id)
        trigger = task.declaration.trigger
        if trigger is None or not trigger.operator:
            raise TaskError(f"task {task_id!r} has no operator trigger (`trigger: {{operator: true}}`)")
        pending, task.triggered = task.triggered, True
        return f"task {task_id!r} was triggered already" if pending else f"task {task_id!r} triggered"

    def _not_ended(self, task_id: str) -> Task:
        task = self._table.get(task_id)
        if task.phase in FINAL:
            raise TaskError(f"task {task_id!r} has ended: {task.phase}")
        return task

    def _not_ending(self, task_id: str) -> Task:
        task = self._not_ended(task_id)
        if task.ends:
            why = f"it comes to rest to end ({task.pending_text}), and that cannot be taken back"
            raise TaskError(f"task {task_id!r}: {why}")
        return task


def _check_resume(task: Task, by: str, answer: str) -> None:
    if not by:
        raise TaskError("say who resumes it: --by NAME")
    if task.phase not in (Phase.PAUSED, Phase.ASKING) and PendingChange.PAUSE not in task.pending_changes:
        raise TaskError(f"task {task.id!r} is {task.shown}: there is nothing to resume")
    if task.compiled.problem:
        what = "Correct that and restart the Main Core process, or cancel the task"
        raise TaskError(f"task {task.id!r}: {task.why}. {what}")
    if task.asks_about_call and answer not in ("redo", "done"):
        raise TaskError(
            f"task {task.id!r}: {task.why}. Look whether the call's work was done, then "
            "resume with --call done (take it as done) or --call redo (run it again)"
        )


def _waits(task: Task) -> bool:
    """Its next run needs its time or its trigger."""
    mode = task.declaration.mode
    return mode is Mode.TRIGGERED or (mode is Mode.PERIODIC and bool(task.due_ns))
