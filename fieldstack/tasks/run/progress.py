"""What was played of the tasks' motion counts as done: their cursors move on, their runs end.

The executor calls it once a pass with how far the cycle has come in the stream that is open.
"""

from __future__ import annotations

from fieldstack.tasks.motion.runner import Runner, RunnerEnd
from fieldstack.tasks.run.calls import CallRunner
from fieldstack.tasks.run.refusals import Refusals
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import Task


class Progress:
    def __init__(self, table: TaskTable, calls: CallRunner, refusals: Refusals) -> None:
        self._table, self._calls, self._refusals = table, calls, refusals

    def note_played(self, now_ns: int, tail: int) -> None:
        """`tail`: setpoints that RT has taken from the ring."""
        for task in list(self._table.live()):
            runner = task.runner
            if runner is None:
                continue
            cursor = runner.committed(tail)
            if cursor is not None:
                self._table.advance(task, cursor)
                self._refusals.worked(runner.group_name)
            if runner.end is not None and runner.ended_at <= tail:
                self._finish(now_ns, task, runner)

    def settle(self, task: Task) -> None:
        """After a run, the others of its priority come first; of a task that ended no call is waited for."""
        task.runner = None
        if not task.begun:
            self._table.requeue(task)
        if task.phase in FINAL:
            self._calls.forget(task.uid)

    def _finish(self, now_ns: int, task: Task, runner: Runner) -> None:
        if runner.failure:
            task.end(Phase.FAILED, runner.failure)
        elif runner.end is RunnerEnd.RUN_ENDED:
            task.run_ended(now_ns)
        self.settle(task)
