"""Writes to the disk how tasks ended, in a thread of its own: the feeding loop never waits for the disk.

The process hands over once a pass what has ended.
"""

from __future__ import annotations

import threading
import traceback
from dataclasses import replace
from queue import SimpleQueue

from fieldstack.tasks.keep.task_store import KEPT_ENDS, TaskStore
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.stored_task import StoredTask
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import Task

RETRY_S = 1.0
"""Doubled with each failure in a row, up to LONGEST_S."""
LONGEST_S = 30.0


class OutcomeRecorder:
    """A task that ended leaves the checkpoint only when its file says how; that it failed stays there."""

    def __init__(self, table: TaskTable, store: TaskStore) -> None:
        self._table, self._store = table, store
        self._queue: SimpleQueue[tuple[Task, StoredTask] | list[tuple[str, str]] | None] = SimpleQueue()
        self._under_way: set[str] = set()
        self.refused: dict[str, tuple[int, str]] = {}
        """`task:ID` whose end the disk has refused so often in a row, and why."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="task-recorder", daemon=True)
        self._thread.start()

    def enqueue_ended(self) -> None:
        """Once a pass: hand over what has ended."""
        for task in self._table.tasks.values():
            if task.phase in FINAL and not task.recorded and task.uid not in self._under_way:
                if task.phase is Phase.FAILED:
                    self._table.note_failure(task)
                if task.stored is None:
                    task.recorded = True
                    continue
                self._under_way.add(task.uid)
                self._queue.put((task, replace(task.stored, outcome=task.describe())))
        if old := self._table.forget_old(KEPT_ENDS):
            self._queue.put(old)

    def close(self) -> None:
        """Write what waits (bounded) and end; what could not be written is still in the checkpoint."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(2.0)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                self._do(work)
            except Exception:  # those behind it are written down; this one stays in the checkpoint
                traceback.print_exc()

    def _do(self, work: tuple[Task, StoredTask] | list[tuple[str, str]]) -> None:
        if isinstance(work, list):
            self._store.forget(work)
        else:
            self._write(*work)

    def _write(self, task: Task, stored: StoredTask) -> None:
        failures = 0
        while True:
            try:
                self._store.save(stored)
            except OSError as error:
                failures += 1
                why = f"its end cannot be written down: {error.strerror or error}"
                self.refused = {f"task:{task.id}": (failures, why)}
                if self._closing.wait(min(LONGEST_S, RETRY_S * 2 ** min(failures - 1, 10))):
                    return
            else:
                task.recorded, self.refused = True, {}
                self._under_way.discard(task.uid)
                return
