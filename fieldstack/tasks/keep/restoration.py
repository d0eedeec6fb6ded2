"""The table of tasks when this process begins: what the files and the checkpoint of the last one say.

The process calls it once. Each task goes on, starts again, or asks, as it declares (resumption.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from fieldstack.tasks.keep.previous_run import PreviousRun
from fieldstack.tasks.keep.resumption import Resumption
from fieldstack.tasks.program.compilation import CompiledTask, compile_task
from fieldstack.tasks.program.declaration import TaskDeclaration
from fieldstack.tasks.program.machine import Machine
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.stored_task import StoredTask
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import Task
from fieldstack_base.configuration_error import ConfigurationError

BUILT_IN = "built-in"


def restore(
    machine: Machine,
    call_timeouts: Mapping[str, int],
    previous: PreviousRun,
    built_in: list[TaskDeclaration],
    now_ns: int,
) -> tuple[TaskTable, list[str]]:
    """The table to go on with, and what people should know about it, one line each."""
    restoration = _Restoration(machine, call_timeouts, previous)
    for name, file in previous.stored.items():
        restoration.take(name, file)
    for declaration in built_in:
        restoration.add(declaration, None)
    restoration.place(Resumption(restoration.table, previous, now_ns))
    restoration.restore_failures()
    return restoration.table, restoration.remarks


class _Restoration:
    def __init__(self, machine: Machine, call_timeouts: Mapping[str, int], previous: PreviousRun) -> None:
        self._machine, self._call_timeouts, self._saved = machine, call_timeouts, previous.saved
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

    def add(self, declaration: TaskDeclaration, file: StoredTask | None) -> None:
        """A task, ready to begin or as it ended; `file` None: it is built in."""
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

    def place(self, resumption: Resumption) -> None:
        """All tasks to where they stood, and then to what has come true since: that may trigger others."""
        saved, found = self._saved.tasks, list(self.table.tasks.values())
        matching = {task.id: at for task in found if (at := saved.get(task.id)) and at.uid == task.uid}
        for task in found:
            if task.id in matching and not task.recorded:
                resumption.put_back(task, matching[task.id])
        for task in found:
            if task.phase not in FINAL:
                resumption.go_on(task, matching.get(task.id))
            elif task.id in matching:
                self.table.ran_since(task, matching[task.id].run)
            if task.begun or task.phase is Phase.ASKING:
                self.remarks.append(f"task {task.id}: {_state_text(task)}")

    def restore_failures(self) -> None:
        """Those that nobody has seen to stay reported, except of tasks that were submitted again."""
        for name, why in self._saved.failed.items():
            task = self.table.tasks.get(name)
            if task is not None and task.phase is Phase.FAILED:
                self.table.failures[name] = why


def _state_text(task: Task) -> str:
    if task.phase in (Phase.ASKING, Phase.FAILED):
        return f"{task.phase}: {task.why}"
    return f"goes on with step {task.step + 1} of {task.size}, run {task.run + 1}"
