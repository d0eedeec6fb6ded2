"""One task after a restart: from where the checkpoint says it stood to what it does now.

The restoration calls it. The ring says how far the cycle played on, the task's call record which call was
begun: so no step is lost, and no call runs twice.
"""

from __future__ import annotations

from fieldstack.tasks.keep.checkpoint import SavedTask
from fieldstack.tasks.keep.previous_run import PreviousRun
from fieldstack.tasks.program.actions import CallAction
from fieldstack.tasks.program.declaration import Mode, OnCrash
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.stored_task import CallRecord
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import PendingChange, Task
from fieldstack_base.units import NS_PER_MS


class Resumption:
    """Of the tasks in `table`, after what `previous` left."""

    def __init__(self, table: TaskTable, previous: PreviousRun, now_ns: int) -> None:
        self._table, self._now_ns = table, now_ns
        self._saved, self._held = previous.saved, previous.held
        self._same_memory = previous.saved.memory == previous.played.memory
        self._tail = previous.played.tail

    def put_back(self, task: Task, at: SavedTask) -> None:
        """To where the task stood."""
        task.phase, task.why, task.asks_about_call = at.phase, at.why, at.about_call
        task.begun, task.group, task.missed = at.begun, at.group, at.missed
        task.triggered, task.run_due, task.outputs = at.triggered, at.run_due, dict(at.outputs)
        task.pending_changes = {change for change in PendingChange if change in at.pending_text.split()}
        task.due_ns = at.due_ns if self._same_memory else self._due_anew(task)
        task.run, task.step, task.attempt = at.run, at.step, at.attempt
        if PendingChange.FAIL in task.pending_changes:
            task.end(Phase.FAILED, task.why)

    def go_on(self, task: Task, at: SavedTask | None) -> None:
        """From where the task stood to what it does now; `at` None: no checkpoint knows of it."""
        if task.compiled.problem:
            task.ask(f"the machine could not run it after a restart: {task.compiled.problem}")
            return
        call = task.stored.call if task.stored else None
        if at is None:
            if not self._call_was_begun(task, call):
                self._ask_if_unknown(task)
            return
        if at.step >= task.size or (at.group and at.group not in task.compiled.groups):
            _begin_anew(task, at, call)
        else:
            if self._same_memory and self._tail is not None:
                self._note_played(task, at, self._tail)
            if self._call_was_begun(task, call):
                return
        if task.begun and self._held and task.phase is Phase.READY:
            task.ask(f"safe initial state: {self._held}")
        elif task.begun and not self._saved.orderly and task.phase is Phase.READY:
            _after_crash(task)

    def _ask_if_unknown(self, task: Task) -> None:
        """In a safe initial state a task that was handed in may have been anywhere."""
        if self._held and task.stored is not None and task.phase not in FINAL:
            task.ask(f"safe initial state: {self._held}; it begins with step {task.step + 1} if it goes on")

    def _due_anew(self, task: Task) -> int:
        """The clock began again: a period from now."""
        if task.declaration.mode is not Mode.PERIODIC:
            return 0
        return self._now_ns + (task.declaration.period_ms or 0) * NS_PER_MS

    def _note_played(self, task: Task, at: SavedTask, tail: int) -> None:
        """What the cycle played after the last checkpoint; a call is never among it."""
        for mark in at.ahead:
            if mark.at > tail or mark.cursor <= task.cursor:
                continue
            run = task.run
            self._table.advance(task, mark.cursor)
            if task.run > run and task.declaration.period_ms != 0:
                task.run_ended(self._now_ns)
                return

    def _call_was_begun(self, task: Task, call: CallRecord | None) -> bool:
        """A call that was begun says that all before it was complete. True: nobody knows if it ended."""
        if call is not None and call.damaged:
            what = "a call may have been begun, and may not run twice"
            task.ask(
                f"its call record cannot be read ({call.damaged}): {what}",
                about_call=isinstance(task.action, CallAction),
            )
            return True
        if call is None or (call.attempt, call.cursor) < (task.attempt, task.cursor):
            return False
        if call.attempt > task.attempt:  # the run was begun again after this checkpoint
            task.restart()
            task.attempt = call.attempt
        self._table.advance(task, call.cursor)
        if task.phase is Phase.WAITING:  # the run that was triggered then has begun
            task.phase, task.triggered = Phase.READY, False
        task.begun = True
        if call.ended:
            self._table.complete_step(task, self._now_ns)
            return False
        action = task.action
        name = action.name if isinstance(action, CallAction) else "?"
        task.ask(f"call {name!r} was begun when the process died, and may not run twice", about_call=True)
        return True


def _begin_anew(task: Task, at: SavedTask, call: CallRecord | None) -> None:
    """The bus or a built-in task has changed meanwhile: the run under way has no place to go on."""
    called = call is not None and (
        bool(call.damaged) or (call.attempt, call.cursor[0]) >= (at.attempt, at.run)
    )
    task.group = ""
    task.restart()
    if called:
        what = "going on begins its run again, with calls that may not run twice"
        task.ask(f"axis group {at.group!r} is not on this bus any more: {what}")


def _after_crash(task: Task) -> None:
    policy = task.declaration.on_crash
    if policy is OnCrash.RESTART:
        task.restart()
    elif policy is OnCrash.ASK:
        task.ask("the Main Core process crashed while it was under way (on_crash: ask)")
