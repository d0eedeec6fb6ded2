"""How the tasks stand when this process begins: goes on, starts again, or asks, as each task declares.

The checkpoint says where each task stood, the ring how far the cycle played on, the call records which call
was begun. The three together let no step be lost and no call run twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fieldstack.tasks.keep.checkpoint import Saved, SavedTask
from fieldstack.tasks.program.compilation import CompiledTask, compile_task
from fieldstack.tasks.program.declaration import Mode, OnCrash, TaskDeclaration
from fieldstack.tasks.program.machine import Machine
from fieldstack.tasks.program.program import CallAction
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.stored_task import CallRecord, StoredTask
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import PendingChange, Task
from fieldstack_base.configuration_error import ConfigurationError
from fieldstack_base.units import NS_PER_MS

BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True)
class Played:
    """How far the cycle came: `memory` tells one shared memory from another; `tail`: None if not known."""

    memory: int
    tail: int | None


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """All that a process left: its checkpoint, how far the cycle came, and the task files.

    `held`: why tasks under way ask whatever they declare (the restore's verdict); empty: they do not.
    """

    saved: Saved
    played: Played
    stored: dict[str, StoredTask]
    held: str = ""


def restore(
    machine: Machine,
    call_timeouts: Mapping[str, int],
    previous: PreviousRun,
    built_in: list[TaskDeclaration],
    now_ns: int,
) -> tuple[TaskTable, list[str]]:
    """The table to go on with, and what people should know about it, one line each."""
    restoration = _Restoration(machine, call_timeouts, previous, now_ns)
    for name, file in previous.stored.items():
        restoration.take(name, file)
    for declaration in built_in:
        restoration.add(declaration, None)
    restoration.place()
    restoration.tell_failures()
    return restoration.table, restoration.remarks


class _Restoration:
    def __init__(
        self, machine: Machine, call_timeouts: Mapping[str, int], previous: PreviousRun, now_ns: int
    ) -> None:
        self._machine, self._call_timeouts, self._now_ns = machine, call_timeouts, now_ns
        self._saved, self._played, self._held = previous.saved, previous.played, previous.held
        self._same_memory = previous.saved.memory == previous.played.memory
        self.table = TaskTable(steps=previous.saved.steps)
        self.remarks: list[str] = []

    def take(self, name: str, file: StoredTask) -> None:
        """A task from its file."""
        try:
            declaration = TaskDeclaration.model_validate(file.declaration)
        except ValueError as error:
            self.remarks.append(f"task {name}: its declaration is of another version: left out ({error})")
            return
        self.add(declaration, file)

    def place(self) -> None:
        """All tasks to where they stood, and then to what has come true since: that may trigger others."""
        saved, found = self._saved.tasks, list(self.table.tasks.values())
        stood = {task.id: at for task in found if (at := saved.get(task.id)) and at.uid == task.uid}
        for task in found:
            if task.id in stood and not task.recorded:
                self._put(task, stood[task.id])
        for task in found:
            if task.phase not in FINAL:
                self._go_on(task, stood.get(task.id))
            elif task.id in stood:
                self.table.ran_since(task, stood[task.id].run)
            if task.begun or task.phase is Phase.ASKING:
                self.remarks.append(f"task {task.id}: {_failure_text(task)}")

    def tell_failures(self) -> None:
        """Of what nobody has seen to people are told on: not of what was submitted again meanwhile."""
        for name, why in self._saved.failed.items():
            task = self.table.tasks.get(name)
            if task is not None and task.phase is Phase.FAILED:
                self.table.failures[name] = why

    def add(self, declaration: TaskDeclaration, file: StoredTask | None) -> Task:
        try:
            compiled = compile_task(declaration, self._machine, self._call_timeouts, f"task {declaration.id}")
        except ConfigurationError as error:
            why = "; ".join(f"{issue.key} {issue.value}: {issue.problem}" for issue in error.issues)
            compiled = CompiledTask.impossible(declaration, why)
        task = self.table.add(compiled, file.uid if file else BUILT_IN)
        task.stored = file
        if file is not None and file.outcome is not None:
            task.recorded = True
            task.end(Phase(file.outcome["state"]), str(file.outcome["why"]))
            task.run = int(file.outcome["run"])
        return task

    def _put(self, task: Task, at: SavedTask) -> None:
        """To where the task stood."""
        task.phase, task.why, task.asks_about_call = at.phase, at.why, at.about_call
        task.begun, task.group, task.missed = at.begun, at.group, at.missed
        task.triggered, task.run_due, task.outputs = at.triggered, at.run_due, dict(at.outputs)
        task.pending_changes = {change for change in PendingChange if change in at.pending_text.split()}
        task.due_ns = at.due_ns if self._same_memory else self._due_anew(task)
        task.run, task.step, task.attempt = at.run, at.step, at.attempt
        if PendingChange.FAIL in task.pending_changes:
            task.end(Phase.FAILED, task.why)

    def _go_on(self, task: Task, at: SavedTask | None) -> None:
        """From where the task stood to what it does now."""
        if task.compiled.problem:
            task.ask(f"the machine could not run it after a restart: {task.compiled.problem}")
            return
        call = task.stored.call if task.stored else None
        if at is None:  # no checkpoint knows of it: it begins, or asks
            if not self._call_was_begun(task, call):
                self._ask_if_unknown(task)
            return
        if at.step >= task.size or (at.group and at.group not in task.compiled.groups):
            _begin_anew(task, at, call)
        else:
            if self._same_memory and self._played.tail is not None:
                self._note_played(task, at, self._played.tail)
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
        """The clock began anew: a period from now."""
        if task.declaration.mode is not Mode.PERIODIC:
            return 0
        return self._now_ns + (task.declaration.period_ms or 0) * NS_PER_MS

    def _note_played(self, task: Task, at: SavedTask, tail: int) -> None:
        """What the cycle played after the last checkpoint; a call is never among it."""
        for mark in at.ahead:
            if mark.at > tail or mark.cursor <= task.cursor:
                continue
            run = task.run
            self.table.advance(task, mark.cursor)
            if task.run > run and task.declaration.period_ms != 0:
                task.run_ended(self._now_ns)
                return

    def _call_was_begun(self, task: Task, call: CallRecord | None) -> bool:
        """A call that was begun says that all before it was complete. True: nobody knows if it ended."""
        if call is not None and call.damaged:
            what = "a call may have been begun, and may not run twice"
            task.ask(
                f"its call record can not be read ({call.damaged}): {what}",
                about_call=isinstance(task.action, CallAction),
            )
            return True
        if call is None or (call.attempt, call.cursor) < (task.attempt, task.cursor):
            return False
        if call.attempt > task.attempt:  # the run was begun anew after this checkpoint
            task.restart()
            task.attempt = call.attempt
        self.table.advance(task, call.cursor)
        if task.phase is Phase.WAITING:  # the run that was triggered then has begun
            task.phase, task.triggered = Phase.READY, False
        task.begun = True
        if call.ended:
            self.table.complete_step(task, self._now_ns)
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
        what = "going on begins its run anew, with calls that may not run twice"
        task.ask(f"axis group {at.group!r} is not on this bus any more: {what}")


def _after_crash(task: Task) -> None:
    policy = task.declaration.on_crash
    if policy is OnCrash.RESTART:
        task.restart()
    elif policy is OnCrash.ASK:
        task.ask("the Main Core process crashed while it was under way (on_crash: ask)")


def _failure_text(task: Task) -> str:
    if task.phase in (Phase.ASKING, Phase.FAILED):
        return f"{task.phase}: {task.why}"
    return f"goes on with step {task.step + 1} of {task.size}, run {task.run + 1}"
