"""Tasks on the disk: each declaration from its submission to its end, and each task's last call.

The command handler, the recorder and the calls write; the process reads at its start. A submission is
answered only when its file is there. A call that must not run twice is written down before it begins and when
it has ended: whatever dies in between, its successor knows that it was begun.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fieldstack.tasks.state.stored_task import CallRecord, StoredTask
from fieldstack_base import bounded_json
from fieldstack_base.atomic_file import Sync, replace_file, sync_folder

KEPT_ENDS = 50
"""Ended tasks whose outcome is kept for `status`."""


class UndecidedError(OSError):
    """A write failed and could not be undone for certain: after a power cut the disk may hold either."""


class TaskStore:
    """The folder `tasks` of an instance's state. All methods may be called from any thread.

    Files are named by the tasks' ids: what comes late from an earlier submission of an id is not written, and
    removes nothing.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "tasks"
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._uids: dict[str, str] = {}
        """Of the last submission of each id."""
        self.remarks: list[str] = []

    def load(self) -> dict[str, StoredTask]:
        """All tasks by id, oldest first; files that are damaged are left out and named in `remarks`."""
        for left in self._folder.glob("*.tmp"):
            _drop(left)  # of a process that was cut off
        found: list[StoredTask] = []
        for file in sorted(self._folder.glob("*.task.json")):
            try:
                found.append(self._read(file))
            except (OSError, ValueError, KeyError, TypeError) as error:
                self.remarks.append(f"{file.name} is not usable ({error}); its task is lost")
        found.sort(key=lambda task: task.number)
        tasks = {task.id: task for task in found}
        self._uids = {name: task.uid for name, task in tasks.items()}
        return tasks

    def _read(self, file: Path) -> StoredTask:
        raw = bounded_json.loads(file.read_bytes())
        task = StoredTask(raw["uid"], dict(raw["declaration"]), raw["by"], int(raw["number"]), raw["outcome"])
        return StoredTask(
            task.uid,
            task.declaration,
            task.by,
            task.number,
            task.outcome,
            self._call(task.declaration["id"], task.uid),
        )

    def _call(self, task_id: str, uid: str) -> CallRecord | None:
        """A record that cannot be read counts as a call that was begun: it is never taken for none."""
        try:
            raw = bounded_json.loads(self._call_file(task_id).read_bytes())
            if raw["uid"] != uid:
                return None
            run, step, attempt = int(raw["run"]), int(raw["step"]), int(raw.get("attempt", 0))
            return CallRecord((run, step), bool(raw["ended"]), attempt)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            return CallRecord((0, 0), ended=False, damaged=str(error) or type(error).__name__)

    def save(self, task: StoredTask) -> None:
        """Write it and wait until it is on the disk.

        With an outcome it does nothing if its id was submitted again meanwhile.

        Raises:
            UndecidedError: the disk fails; it is not known what a power cut would leave.
            OSError: nothing has changed.
        """
        content = {
            "uid": task.uid,
            "declaration": task.declaration,
            "by": task.by,
            "number": task.number,
            "outcome": task.outcome,
        }
        with self._lock:
            if task.outcome is None or self._uids.get(task.id) == task.uid:
                self._write(self._task_file(task.id), content)
                self._uids[task.id] = task.uid

    def note_call(self, task_id: str, uid: str, call: CallRecord) -> None:
        """Write down that a call begins, or has ended. Raises OSError; then it is not written.

        So it is for a task that was forgotten, or submitted again, meanwhile.
        """
        run, step = call.cursor
        content = {"uid": uid, "attempt": call.attempt, "run": run, "step": step, "ended": call.ended}
        with self._lock:
            if self._uids.get(task_id) != uid:
                raise OSError(f"task {task_id!r} is not there any more, or was submitted again")
            self._write(self._call_file(task_id), content)

    def forget(self, tasks: Iterable[tuple[str, str]]) -> None:
        """Remove the files of tasks that ended, each by its id and uid."""
        with self._lock:
            for task_id, uid in tasks:
                if self._uids.get(task_id) != uid:
                    continue
                del self._uids[task_id]
                for file in (self._task_file(task_id), self._call_file(task_id)):
                    _drop(file)

    def _task_file(self, task_id: str) -> Path:
        return self._folder / f"{task_id}.task.json"

    def _call_file(self, task_id: str) -> Path:
        return self._folder / f"{task_id}.call.json"

    def _write(self, file: Path, content: dict[str, Any]) -> None:
        before = _content(file)
        replace_file(file, json.dumps(content), sync=Sync.CONTENT)
        try:
            sync_folder(self._folder)
        except OSError:
            self._put_back(file, before)
            raise

    def _put_back(self, file: Path, before: bytes | None) -> None:
        """What was refused must not be found by the next process."""
        try:
            if before is None:
                file.unlink()
            else:
                replace_file(file, before, sync=Sync.CONTENT)
            sync_folder(self._folder)
        except OSError as error:
            raise UndecidedError(error.errno, error.strerror or str(error)) from error


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _drop(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
