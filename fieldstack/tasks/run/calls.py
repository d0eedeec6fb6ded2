"""Calls of Python functions: each runs in a thread of its own with a time-out, never in the feeding pass.

The process loads the configured functions at its start; the external steps begin calls and ask for results.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fieldstack.tasks.keep.task_store import TaskStore
from fieldstack.tasks.program.actions import CallAction
from fieldstack.tasks.program.settings import EntryPoint
from fieldstack.tasks.state.stored_task import CallRecord
from fieldstack.tasks.state.task import Task
from fieldstack_base.units import NS_PER_MS

MAX_RUNNING = 16
"""Threads at once; one that hangs keeps its place until its function returns."""

Key = tuple[str, int, int, int]
"""uid of the task, attempt, run, step."""


class CallError(Exception):
    """An entry point cannot be used; the text says why."""


@dataclass(slots=True)
class _Running:
    began_ns: int
    timeout_ns: int
    thread: threading.Thread | None = None
    result: CallResult | None = None

    @property
    def at_work(self) -> bool:
        return self.result is None and self.thread is not None and self.thread.is_alive()


@dataclass(frozen=True, slots=True)
class CallResult:
    """`begun` False: it was not even begun, and may be tried again. `text`: why it failed."""

    ok: bool
    text: str = ""
    begun: bool = True


class CallRunner:
    """The configured functions and the calls under way."""

    def __init__(self, entry_points: Mapping[str, EntryPoint], store: TaskStore) -> None:
        self._entries = dict(entry_points)
        self._store = store
        self._functions: dict[str, Callable[..., object]] = {}
        self._running: dict[Key, _Running] = {}
        self._threads: list[_Running] = []
        self.broken: dict[str, str] = {}
        """Configured names that cannot be used, and why."""

    def load(self) -> None:
        """Import all functions. What fails is kept in `broken`: the cell moves without it."""
        for name, entry in self._entries.items():
            try:
                self._functions[name] = _find(entry.function)
            except Exception as error:  # a user's module may raise anything while it is imported
                self.broken[name] = f"{entry.function}: {type(error).__name__}: {error}"

    @property
    def timeouts(self) -> dict[str, int]:
        """Default time-outs in ms of all configured calls, also of those that are broken."""
        return {name: entry.timeout_ms for name, entry in self._entries.items()}

    @property
    def busy(self) -> int:
        """Functions at work, also those whose end nobody waits for any more."""
        return sum(one.at_work for one in self._threads)

    @property
    def awaited(self) -> int:
        """Calls whose end is waited for."""
        return sum(one.result is None for one in self._running.values())

    def start(self, task_id: str, key: Key, action: CallAction, now_ns: int) -> None:
        """Begin a call; one that must not run twice is written down first, in its thread.

        Does nothing if it is under way already.
        """
        if key in self._running:
            return
        running = self._running[key] = _Running(now_ns, action.timeout_ms * NS_PER_MS)
        function = self._functions.get(action.name)
        if function is None:
            why = self.broken.get(action.name, "it is not configured any more")
            running.result = CallResult(False, f"call {action.name!r} cannot be used: {why}", begun=False)
        elif self.busy >= MAX_RUNNING:
            running.result = CallResult(False, f"{MAX_RUNNING} calls are under way already", begun=False)
        else:
            work = _Work(running, function, action, self._note(task_id, key, action))
            running.thread = threading.Thread(target=work.run, name=f"call-{action.name}", daemon=True)
            running.thread.start()
            self._threads = [*filter(lambda one: one.at_work, self._threads), running]

    def _note(self, task_id: str, key: Key, action: CallAction) -> Callable[[bool], None] | None:
        if action.repeatable:
            return None
        uid, attempt, run, step = key
        return lambda ended: self._store.note_call(task_id, uid, CallRecord((run, step), ended, attempt))

    def poll(self, key: Key, now_ns: int) -> CallResult | None:
        """The result of a call, once there is one; it is handed out once."""
        running = self._running.get(key)
        if running is None:
            return None
        if running.result is not None:
            del self._running[key]
            return running.result
        if now_ns - running.began_ns < running.timeout_ns:
            return None
        del self._running[key]
        seconds = running.timeout_ns / 1e9
        return CallResult(False, f"no end within {seconds:g} s; its thread is left alone")

    def forget(self, uid: str) -> None:
        """The task has ended: nobody asks for its calls' results any more."""
        for key in [key for key in self._running if key[0] == uid]:
            del self._running[key]

    def knows(self, key: Key) -> bool:
        return key in self._running


@dataclass(frozen=True, slots=True)
class _Work:
    running: _Running
    function: Callable[..., object]
    action: CallAction
    note: Callable[[bool], None] | None

    def run(self) -> None:
        name = self.action.name
        try:
            if self.note is not None:
                self.note(False)
        except OSError as error:
            text = f"call {name!r} was not begun: its record cannot be written ({error}); free the disk"
            self.running.result = CallResult(False, text, begun=False)
            return
        try:
            self.function(**self.action.arguments)
        except Exception as error:  # the task fails with it, whatever it is
            self.running.result = CallResult(False, f"call {name!r}: {type(error).__name__}: {error}")
        else:
            if self.note is not None:
                with contextlib.suppress(OSError):  # then a crash right now makes the task ask: that is safe
                    self.note(True)
            self.running.result = CallResult(True)


def key_of(task: Task) -> Key:
    """What the call at a task's present step is known by."""
    return (task.uid, task.attempt, *task.cursor)


def _find(function: str) -> Callable[..., object]:
    module, _, name = function.partition(":")
    found: Any = getattr(importlib.import_module(module), name)
    if not callable(found):
        raise CallError("is no function")
    return found  # type: ignore[no-any-return]
