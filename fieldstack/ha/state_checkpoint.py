"""StateCheckpoint: the last safe positions and the task state, in shared memory and on disk.

A position is safe while the bus is in OP with its working counter as expected and RT has compared it with
the checkpoint before: nothing that was not checked ever replaces what it is to be checked against.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldstack.ha.durable import BackgroundSaver, DurableRecord
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore, TornRecordError

TASK_BYTES = 1024
MAX_AXES = 64


class StateCheckpoint:
    """Keeps the checkpoint of one cell. `interval_ns` is the time between two files; the shared memory is
    written in every call of `keep`. Disk work is done in a thread."""

    def __init__(
        self, store: DataStore, state_dir: Path, interval_ns: int, on_error: Callable[[str], None]
    ) -> None:
        self._store = store
        self._interval_ns = interval_ns
        self._file = DurableRecord(state_dir, "checkpoint")
        self._saver = BackgroundSaver(self._file, on_error)
        self._record = store.new("fs_checkpoint")
        self._filed_ns = 0
        self._task = b""

    def restore(self) -> tuple[int, str]:
        """At the start: what is in shared memory counts; after a reboot the file fills it.

        Returns generation (0: there is none) and a remark for the event log.
        """
        generation, remark = self.read()
        if generation:
            self._record.generation = generation
            return generation, remark
        loaded = self._file.load()
        remarks = "; ".join(loaded.remarks)
        if loaded.data is None or not self._fill(loaded.data):
            return 0, "; ".join(filter(None, ("there is none yet", remarks)))
        self._store.write_checkpoint(self._record)
        return int(self._record.generation), "; ".join(filter(None, ("from the file", remarks)))

    def read(self) -> tuple[int, str]:
        """Generation (0: none that is whole) and a remark: the step `checkpoint read` of a recovery."""
        try:
            record = self._store.checkpoint()
        except TornRecordError as error:
            return 0, str(error)
        if not self._store.checkpoint_valid(record):
            return 0, "there is none in shared memory"
        return int(record.generation), f"{int(record.axis_count)} axes, epoch {int(record.rt_epoch)}"

    def keep(self, now_ns: int, status: Any, *, changed: bool = False) -> None:
        """Take `status` (a safe fs_rt_status) over. `changed`: file it now, not only when it is time."""
        record = self._record
        record.generation += 1
        record.written_ns, record.rt_epoch = now_ns, status.epoch
        record.stream, record.axis_count = status.stream, status.axis_count
        for axis in range(min(int(status.axis_count), MAX_AXES)):
            record.position[axis] = status.axes[axis].position
        task_changed = self._take_task()
        self._store.write_checkpoint(record)
        if changed or task_changed or now_ns - self._filed_ns >= self._interval_ns:
            self._filed_ns = now_ns
            self._saver.submit(self._to_dict())

    def _take_task(self) -> bool:
        try:
            core = self._store.core_status()
        except TornRecordError:
            return False
        size = min(int(core.task_size), TASK_BYTES)
        task = bytes(ffi.buffer(core.task))[:size]
        if task == self._task:
            return False
        before, self._task = self._task, task
        self._record.task_size = size
        self._record.task = task
        return _coarse(before) != _coarse(task)

    def _to_dict(self) -> dict[str, Any]:
        record = self._record
        axes = range(int(record.axis_count))
        return {
            "generation": int(record.generation),
            "written_ns": int(record.written_ns),
            "rt_epoch": int(record.rt_epoch),
            "stream": int(record.stream),
            "positions": [int(record.position[axis]) for axis in axes],
            "task": base64.b64encode(self._task).decode(),
        }

    def _fill(self, data: dict[str, Any]) -> bool:
        """The record from a file; False if its shape is not what this version writes."""
        try:
            positions = [int(position) for position in data["positions"]][:MAX_AXES]
            task = base64.b64decode(data["task"])[:TASK_BYTES]
            record = self._record
            record.generation, record.written_ns = int(data["generation"]), int(data["written_ns"])
            record.rt_epoch, record.stream = int(data["rt_epoch"]), int(data["stream"])
            record.axis_count = len(positions)
            record.position[0 : len(positions)] = positions
            record.task_size, record.task = len(task), task
        except (KeyError, ValueError, TypeError, OverflowError):
            return False
        return True

    def close(self) -> None:
        self._saver.close()


def _coarse(task: bytes) -> int:
    """Tasks of another shape are filed at once; one that only counts up waits for the interval."""
    return len(task.translate(None, b"0123456789.-e"))
