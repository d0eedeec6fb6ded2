"""Axis groups to tasks: what the scheduler decides is done to the runners of the stream that is open.

The executor asks `wanted` before it opens a stream, and `assign` between the setpoints that it makes.
"""

from __future__ import annotations

from fieldstack.tasks.motion.job import Job
from fieldstack.tasks.motion.runner import Runner
from fieldstack.tasks.motion.setpoint_stream import SetpointStream
from fieldstack.tasks.motion.trajectory import Limits
from fieldstack.tasks.program.machine import Machine
from fieldstack.tasks.run.claims import claims
from fieldstack.tasks.run.group_availability import GroupAvailability
from fieldstack.tasks.run.scheduler import Decisions, schedule
from fieldstack.tasks.run.waiting_reasons import WaitingReasons
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import Task


class Assignment:
    """`limits`: of all axes, at the cell's speed."""

    def __init__(
        self,
        machine: Machine,
        table: TaskTable,
        groups: GroupAvailability,
        reasons: WaitingReasons,
        limits: tuple[Limits, ...],
    ) -> None:
        self._machine, self._table, self._groups, self._reasons = machine, table, groups, reasons
        self._limits = limits

    def wanted(self, now_ns: int) -> bool:
        """A task would begin now."""
        return bool(self._decide(now_ns).starts)

    def waiting_reason(self, now_ns: int, task: Task) -> str:
        """Why a task does not begin now, though nothing of its own keeps it; empty: nothing does."""
        claims(self._table, self._groups.out_of_use, self._reasons.blocked(now_ns))
        return task.waits

    def assign(self, now_ns: int, stream: SetpointStream) -> None:
        """Who has which group from the next setpoint on."""
        tasks, decisions = self._table.tasks, self._decide(now_ns)
        for name in decisions.give_way:
            _runner_of(tasks[name]).give_way()
        for name in decisions.halt:
            _runner_of(tasks[name]).halt()
        for name in decisions.last_run:
            _runner_of(tasks[name]).end_with_run()
        for name, group in decisions.starts:
            self._start(now_ns, stream, tasks[name], group)

    def _decide(self, now_ns: int) -> Decisions:
        found = claims(self._table, self._groups.out_of_use, self._reasons.blocked(now_ns))
        return schedule(found, self._groups.available)

    def _start(self, now_ns: int, stream: SetpointStream, task: Task, name: str) -> None:
        declared = task.declaration
        group = self._machine.groups[name] if name else None
        job = Job(
            task=task.id,
            program=task.compiled.program,
            group=group,
            limits=tuple(self._limits[number] for number in group.numbers) if group else (),
            cursor=task.cursor,
            loops=declared.period_ms == 0,
            runs=declared.runs,
        )
        task.group = name
        task.input_since_ns = 0  # what passed while it did not run is no time that it has waited
        task.run_begins(now_ns)
        task.runner = stream.begin(job, task.kept_outputs)


def _runner_of(task: Task) -> Runner:
    assert task.runner is not None, "only tasks that run hold groups"  # noqa: S101
    return task.runner
