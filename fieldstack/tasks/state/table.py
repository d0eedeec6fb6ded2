"""All tasks of a cell: how they come in, how far each is, and which have failed.

The executor and the restoration change it; what people ask of it is in operator_commands.py, what time and
triggers do in triggers.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fieldstack.tasks.program.compilation import CompiledTask
from fieldstack.tasks.program.declaration import Mode
from fieldstack.tasks.program.program import Cursor
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.task import Task

MAX_LIVE = 48
ENTRY_BYTES = 190
"""What one task takes of the checkpoint at most, without names: its own, its group's, its outputs'."""
MAX_FAILURES = 16
FAILURE_BYTES = 40
"""What one failure takes of it at most, without its why."""
REFUSED_BYTES = 320
"""What is refused again and again takes so much of the checkpoint at most, without its why."""


class TaskError(Exception):
    """A command that cannot be done; the text says why, and what to do."""


@dataclass
class TaskTable:
    """Live tasks and those that ended, by id in the order of submission."""

    tasks: dict[str, Task] = field(default_factory=dict)
    steps: int = 0
    """Completed steps of all tasks."""
    failures: dict[str, str] = field(default_factory=dict)
    """The last tasks that failed, and why, until submitted again or cancelled. The status has them."""
    _queue: int = 0

    def live(self) -> Iterator[Task]:
        return (task for task in self.tasks.values() if task.phase not in FINAL)

    def get(self, task_id: str) -> Task:
        """Raises TaskError, with the names that there are."""
        if task := self.tasks.get(task_id):
            return task
        known = ", ".join(self.tasks) or "none"
        raise TaskError(f"there is no task {task_id!r}; tasks here: {known}")

    # ---- in and out ----

    def check_new(self, compiled: CompiledTask, room: int) -> None:
        """Raises TaskError if it cannot be submitted now; `room`: bytes of the checkpoint."""
        task_id = compiled.declaration.id
        known = self.tasks.get(task_id)
        if known is not None and known.phase not in FINAL:
            raise TaskError(
                f"task {task_id!r} is there already ({known.shown}): cancel it first, or choose another id"
            )
        live = list(self.live())
        used = sum(_bytes(task.compiled) for task in live) + _bytes(compiled)
        kept = MAX_FAILURES * FAILURE_BYTES + REFUSED_BYTES
        if len(live) >= MAX_LIVE or used > room - ENTRY_BYTES - kept:
            raise TaskError(
                f"{len(live)} tasks are live, and the checkpoint has no room for one more: cancel some"
            )
        after = compiled.declaration.trigger.after if compiled.declaration.trigger else None
        if after is not None and after not in self.tasks:
            raise TaskError(f"trigger.after = {after!r}: there is no such task; submit that one first")

    def add(self, compiled: CompiledTask, uid: str) -> Task:
        """A new task; it is READY, or WAITING for its trigger."""
        task = Task(compiled, uid)
        if compiled.declaration.mode is Mode.TRIGGERED:
            task.phase = Phase.WAITING
        self.tasks.pop(task.id, None)
        self.failures.pop(task.id, None)
        self.tasks[task.id] = task
        self.requeue(task)
        return task

    def requeue(self, task: Task) -> None:
        """Behind all others of its priority."""
        self._queue += 1
        task.queued = self._queue

    def forget_old(self, keep: int) -> list[tuple[str, str]]:
        """Drop the oldest of the tasks that ended and are recorded, beyond `keep`; returns ids and uids."""
        ended = [(task.id, task.uid) for task in self.tasks.values() if task.recorded]
        old = ended[: max(0, len(ended) - keep)]
        for task_id, _ in old:
            del self.tasks[task_id]
            self.failures.pop(task_id, None)
        return old

    def note_failure(self, task: Task) -> None:
        """A task has failed: this outlives its place among the live ones."""
        self.failures.pop(task.id, None)
        self.failures[task.id] = task.why
        for oldest in list(self.failures)[:-MAX_FAILURES]:
            del self.failures[oldest]

    # ---- progress ----

    def advance(self, task: Task, cursor: Cursor) -> None:
        """All steps before `cursor` came true."""
        if cursor[1] >= task.size:
            cursor = (cursor[0] + 1, 0)
        run = task.run
        self.steps += task.advance(cursor)
        self.ran_since(task, run)

    def complete_step(self, task: Task, now_ns: int) -> bool:
        """The present step, a call or an awaited input, has come true. Returns whether the run ended."""
        run = task.run
        self.advance(task, (run, task.step + 1))
        if task.run > run:
            task.run_ended(now_ns)
        return task.run > run

    def ran_since(self, ended: Task, run: int) -> None:
        """Trigger what runs after a task, if one of its runs has ended since it was at `run`."""
        for task in self.live() if ended.run > run else ():
            trigger = task.declaration.trigger
            if trigger is not None and trigger.after == ended.id:
                task.triggered = True


def _bytes(compiled: CompiledTask) -> int:
    """Most that a task takes of the checkpoint."""
    names = {name for name, _ in compiled.program.outputs()}
    group = max((len(name) for name in compiled.groups), default=0)
    return ENTRY_BYTES + len(compiled.declaration.id) + group + sum(len(name) + 8 for name in names)
