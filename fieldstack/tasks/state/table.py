"""All tasks of a cell: how they come in, what people do with them, when their runs begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fieldstack.tasks.program.compilation import CompiledTask
from fieldstack.tasks.program.declaration import Edge, Mode, OnResourceLost
from fieldstack.tasks.program.machine import Signal
from fieldstack.tasks.run.scheduler import Claim
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.task import PendingChange, Task

MAX_LIVE = 48
ENTRY_BYTES = 190
"""What one task takes of the checkpoint at most, without names: its own, its group's, its outputs'."""
MAX_FAILURES = 16
FAILURE_BYTES = 40
"""What one failure takes of it at most, without its why."""


Barred = Callable[[Task, str], str]
REFUSED_BYTES = 320
"""What is refused again and again takes so much of the checkpoint at most, without its why."""


class TaskError(Exception):
    """A command that can not be done; the text says why, and what to do."""


@dataclass
class TaskTable:
    """Live tasks and those that ended, by id in the order of submission."""

    tasks: dict[str, Task] = field(default_factory=dict)
    steps: int = 0
    """Completed steps of all tasks."""
    failures: dict[str, str] = field(default_factory=dict)
    """The last tasks that failed, and why, each until it is submitted again or cancelled: people are told."""
    _queue: int = 0

    def live(self) -> Iterator[Task]:
        return (task for task in self.tasks.values() if task.phase not in FINAL)

    def get(self, task_id: str) -> Task:
        """Raises TaskError, with the names that there are."""
        if task := self.tasks.get(task_id):
            return task
        known = ", ".join(self.tasks) or "none"
        raise TaskError(f"there is no task {task_id!r}; tasks here: {known}")

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

    # ---- commands ----

    def check_new(self, compiled: CompiledTask, room: int) -> None:
        """Raises TaskError if it can not be submitted now; `room`: bytes of the checkpoint."""
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

    def cancel(self, task_id: str) -> str:
        """Of a task that has failed: people have seen that, and are not told of it any longer."""
        if self.failures.pop(task_id, None) is not None:
            return f"task {task_id!r} has failed: noted, it is not told of any longer"
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
        if not by:
            raise TaskError("say who resumes it: --by NAME")
        if task.phase not in (Phase.PAUSED, Phase.ASKING) and PendingChange.PAUSE not in task.pending_changes:
            raise TaskError(f"task {task_id!r} is {task.shown}: there is nothing to resume")
        if task.compiled.problem:
            what = "Mend that and restart the Main Core process, or cancel the task"
            raise TaskError(f"task {task_id!r}: {task.why}. {what}")
        if task.asks_about_call and answer not in ("redo", "done"):
            raise TaskError(
                f"task {task_id!r}: {task.why}. Look whether the call's work was done, then "
                "resume with --call done (take it as done) or --call redo (run it again)"
            )
        task.pending_changes.discard(PendingChange.PAUSE)
        about_call, task.asks_about_call, task.why = task.asks_about_call, False, ""
        if task.phase in (Phase.PAUSED, Phase.ASKING):
            due = task.begun or task.run_due or not self._waits(task)
            task.phase = Phase.READY if due else Phase.WAITING
        if about_call and answer == "done":
            self.complete_step(task, 0)
        return f"task {task_id!r} goes on (by {by})"

    def trigger(self, task_id: str) -> str:
        task = self._not_ended(task_id)
        trigger = task.declaration.trigger
        if trigger is None or not trigger.operator:
            raise TaskError(f"task {task_id!r} has no operator trigger (`trigger: {{operator: true}}`)")
        pending, task.triggered = task.triggered, True
        return f"task {task_id!r} was triggered already" if pending else f"task {task_id!r} triggered"

    def _not_ended(self, task_id: str) -> Task:
        task = self.get(task_id)
        if task.phase in FINAL:
            raise TaskError(f"task {task_id!r} has ended: {task.phase}")
        return task

    def _not_ending(self, task_id: str) -> Task:
        task = self._not_ended(task_id)
        if task.ends:
            raise TaskError(
                f"task {task_id!r} comes to rest to end ({task.pending_text}): that is not taken back"
            )
        return task

    # ---- time and triggers ----

    def tick(self, now_ns: int, inputs: Mapping[str, Signal], image: bytes) -> list[Task]:
        """Triggers, periods, and pending_changes of tasks that stand; returns those that ended with it."""
        live = list(self.live())
        for task in live:
            self._watch_input(task, inputs, image)
            if task.runner is None:
                _grant(task)
            task.wake(now_ns)
        return [task for task in live if task.phase in FINAL]

    def _watch_input(self, task: Task, inputs: Mapping[str, Signal], image: bytes) -> None:
        trigger = task.declaration.trigger
        if trigger is None or trigger.input is None or trigger.input not in inputs:
            return
        seen, before = bool(inputs[trigger.input].value(image)), task.input_seen
        task.input_seen = seen
        if before is not None and seen is not before and seen is (trigger.edge is Edge.RISING):
            task.triggered = True

    def advance(self, task: Task, cursor: tuple[int, int]) -> None:
        """Steps of a task came true."""
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

    def _waits(self, task: Task) -> bool:
        mode = task.declaration.mode
        return mode is Mode.TRIGGERED or (mode is Mode.PERIODIC and bool(task.due_ns))

    def claims(self, lost: frozenset[str], barred: Barred = lambda _task, _group: "") -> list[Claim]:
        """What the scheduler has to know of each task that runs or could.

        `barred`: why a run of a task may not begin on a group now; empty: it may.
        """
        found = []
        for task in self.live():
            runner = task.runner
            task.waits = ""
            if runner is None and (task.phase is not Phase.READY or task.pending_changes):
                continue
            if runner is not None and runner.end is not None:
                continue  # its last setpoints are being played
            groups = (task.group,) if task.group else _open_to(task, lost)
            holds = None if runner is None else (runner.job.group.name if runner.job.group else "")
            if runner is None:
                groups = _open_now(task, groups, barred)
            if not groups and task.compiled.groups:
                continue
            found.append(Claim(task.id, task.declaration.priority.rank, task.queued, groups, holds))
        return found


def _open_now(task: Task, groups: tuple[str, ...], barred: Barred) -> tuple[str, ...]:
    """Those that are not barred; where none is left, the task says why it waits."""
    why = {name: barred(task, name) for name in groups}
    if groups and all(why.values()):
        task.waits = why[groups[0]]
    return tuple(name for name in groups if not why[name])


def _open_to(task: Task, lost: frozenset[str]) -> tuple[str, ...]:
    """Groups that a run may begin on. One that a task names has stand-ins only once it is lost."""
    needs, groups = task.declaration.needs, task.compiled.groups
    named = needs is not None and needs.group is not None
    if named and (groups[0] not in lost or task.declaration.on_resource_lost is OnResourceLost.FAIL):
        return groups[:1]
    return tuple(name for name in groups if name not in lost)


def _grant(task: Task) -> None:
    """What was wished of a task comes true once it stands."""
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


def _bytes(compiled: CompiledTask) -> int:
    """Most that a task takes of the checkpoint."""
    names = {name for name, _ in compiled.program.outputs()}
    group = max((len(name) for name in compiled.groups), default=0)
    return ENTRY_BYTES + len(compiled.declaration.id) + group + sum(len(name) + 8 for name in names)
