"""What people and Non-RT ask of the tasks, one command after the other; command_server.py brings them in.

Reading a task, checking it and writing its file take time, and are done in the server's thread. What touches
the tasks themselves is done by the feeding loop between two passes.
"""

from __future__ import annotations

import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any

from fieldstack.tasks.control.injection import Injector
from fieldstack.tasks.control.jog_commands import jog_commands
from fieldstack.tasks.control.loop_queue import LoopQueue, LoopSilentError
from fieldstack.tasks.control.views import executor_view, task_view, waits_for_trigger
from fieldstack.tasks.keep.task_store import TaskStore, UndecidedError
from fieldstack.tasks.program.compilation import compile_task
from fieldstack.tasks.program.task_files import parse
from fieldstack.tasks.run.calls import CallRunner
from fieldstack.tasks.run.executor import TaskExecutor
from fieldstack.tasks.run.reallocation import give_back, reallocate
from fieldstack.tasks.state.operator_commands import OperatorCommands
from fieldstack.tasks.state.stored_task import StoredTask
from fieldstack.tasks.state.table import TaskError
from fieldstack_base.configuration_error import ConfigurationError
from fieldstack_base.control.server import Command

Answer = tuple[str, dict[str, Any]]


class NotAllMovedError(Exception):
    """A reallocation was done as far as it goes; `more` has what moved and what could not."""

    def __init__(self, text: str, more: dict[str, Any]) -> None:
        super().__init__(text)
        self.more = more


class TaskCommandHandler:
    """Commands: submit, cancel, pause, resume, trigger, list, status, reallocate, give_back, inject, jogs."""

    def __init__(
        self,
        executor: TaskExecutor,
        calls: CallRunner,
        store: TaskStore,
        loop_queue: LoopQueue,
        *,
        room: int,
        injector: Injector | None,
    ) -> None:
        self._executor, self._calls, self._store, self._loop_queue = executor, calls, store, loop_queue
        self._room = room
        """Bytes of the checkpoint."""
        self._injector = injector
        self._operator = commands = OperatorCommands(executor.table)
        self._commands: dict[str, Callable[[Command], Answer]] = {
            "submit": self._submit,
            "cancel": self._of_task(commands.cancel),
            "pause": self._of_task(commands.pause),
            "trigger": self._of_task(commands.trigger),
            "resume": self._resume,
            "list": self._list,
            "status": self._status,
            "reallocate": self._reallocate,
            "give_back": self._give_back,
            "inject": self._inject,
            **jog_commands(executor, loop_queue),
        }

    def answer(self, command: Command) -> tuple[bool, str, dict[str, Any]]:
        """Whether it was done, what to tell people, and more for machines."""
        do = self._commands.get(command.name)
        if do is None:
            return False, f"no such command {command.name!r}; one of: {', '.join(self._commands)}", {}
        try:
            message, more = do(command)
        except ConfigurationError as error:
            issues = [issue.text(error.file) for issue in error.issues]
            return False, str(error), {"issues": issues}
        except (NotAllMovedError, TaskError, LoopSilentError) as error:
            return False, str(error), getattr(error, "more", {})
        except OSError as error:
            return False, _not_written(error), {}
        except Exception as error:  # a fault of ours: it is refused, and the others are answered on
            traceback.print_exc()
            what = f"{type(error).__name__}: {error}"
            return False, f"a fault of Fieldstack ({what}); please report it with the Main Core's log", {}
        return True, message, more

    def _submit(self, command: Command) -> Answer:
        file = command.text("file") or "task"
        declaration = parse(command.text("text"), file)
        machine, calls = self._executor.machine, self._calls
        compiled = compile_task(declaration, machine, calls.timeouts, file, calls.broken)
        table = self._executor.table
        self._loop_queue.ask(lambda: table.check_new(compiled, self._room))
        stored = StoredTask(
            uid=uuid.uuid4().hex[:12],
            declaration=declaration.model_dump(mode="json", exclude_none=True),
            by=command.text("by"),
            number=time.time_ns(),
        )
        self._store.save(stored)

        def add() -> str:
            task = table.add(compiled, stored.uid)
            task.stored = stored
            return self._executor.waiting_reason(time.monotonic_ns(), task) or waits_for_trigger(task)

        done = f"task {declaration.id!r} submitted"
        try:
            waits = self._loop_queue.ask(add, later=True)
            done += f"; it waits: {waits}" if waits else ""
        except LoopSilentError as error:  # its file is there: whoever comes next begins it
            done += f"; it begins when the Main Core is at work again: {error}"
        return done, {"id": declaration.id}

    def _of_task(self, do: Callable[[str], str]) -> Callable[[Command], Answer]:
        return lambda command: (self._loop_queue.ask(lambda: do(command.text("id"))), {})

    def _resume(self, command: Command) -> Answer:
        task_id, by, how = command.text("id"), command.text("by"), command.text("answer")
        return self._loop_queue.ask(lambda: self._operator.resume(task_id, by, how)), {}

    def _list(self, _command: Command) -> Answer:
        table = self._executor.table
        tasks = self._loop_queue.ask(
            lambda: [task_view(self._executor, task) for task in table.tasks.values()]
        )
        return f"{len(tasks)} tasks", {"tasks": tasks}

    def _status(self, command: Command) -> Answer:
        """Of one task, with its steps; without an id, of the executor."""
        executor, task_id = self._executor, command.text("id")
        if task_id:
            return "", {
                "task": self._loop_queue.ask(lambda: task_view(executor, executor.table.get(task_id)))
            }
        return "", self._loop_queue.ask(lambda: executor_view(executor, self._calls))

    def _reallocate(self, command: Command) -> Answer:
        keep = command.data.get("keep") is True
        done = self._loop_queue.ask(lambda: reallocate(self._executor, command.text("group"), keep=keep))
        more = {"moved": done.moved, "not_moved": done.not_moved}
        if done.stuck:
            raise NotAllMovedError(done.text(), more)
        return done.text(), more

    def _give_back(self, command: Command) -> Answer:
        return self._loop_queue.ask(lambda: give_back(self._executor, command.text("group"))), {}

    def _inject(self, command: Command) -> Answer:
        if self._injector is None:
            raise TaskError("faults are not injected here: set `core: {fault_injection: true}` for the cell")
        return self._injector.order(command.data), {}


def _not_written(error: OSError) -> str:
    why = error.strerror or str(error)
    if isinstance(error, UndecidedError):
        later = "after a power cut it may be there all the same"
        return f"not accepted: {why}; {later}: repair the disk, then look at `fieldstack task list`"
    return f"nothing was changed: {why}; free the disk and try again"
