"""Writes `fs_core_status`: what others read of this process, with the tasks' checkpoint in it.

The process has it written once a pass.
"""

from __future__ import annotations

import os

from fieldstack.tasks.keep.checkpoint import Saved, encode_to_fit
from fieldstack.tasks.keep.outcome_recorder import OutcomeRecorder
from fieldstack.tasks.run.executor import TaskExecutor
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import CoreState


class StatusRecord:
    """`epoch`: of this process; `revision`: of the last checkpoint of the one before."""

    def __init__(self, store: DataStore, *, epoch: int, started_ns: int, revision: int) -> None:
        self._store = store
        self._record = store.new("fs_core_status")
        self._record.epoch = epoch
        self._record.started_ns = started_ns
        self._record.pid = os.getpid()
        self._revision = revision
        self._memory = store.created_ns

    @property
    def room(self) -> int:
        """Bytes that the checkpoint may take."""
        return len(self._record.task)

    def write(
        self,
        now_ns: int,
        executor: TaskExecutor,
        recorder: OutcomeRecorder,
        state: CoreState,
        *,
        requests: int,
        orderly: bool = False,
    ) -> None:
        """`orderly`: the process ends at rest; `requests`: of the command handler, done so far.

        Raises:
            CheckpointTooLargeError: the tasks' checkpoint does not fit.
        """
        record = self._record
        task = self._checkpoint(executor, recorder, orderly=orderly)
        record.pass_ns = now_ns
        record.requests_done = requests
        record.state = state
        record.speed_override = executor.speed_override
        record.safe_moment = int(executor.safe_moment)
        record.tasks_running = executor.running
        record.task_size = len(task)
        ffi.memmove(record.task, task, len(task))
        self._store.write_core_status(record)

    def _checkpoint(self, executor: TaskExecutor, recorder: OutcomeRecorder, *, orderly: bool) -> bytes:
        self._revision += 1
        table = executor.table
        state = Saved(
            self._revision,
            self._memory,
            table.steps,
            orderly,
            executor.groups.out_of_use,
            table.failures,
            executor.refusals.summary() | recorder.refused,
        )
        return encode_to_fit([task for task in table.tasks.values() if not task.recorded], state, self.room)
