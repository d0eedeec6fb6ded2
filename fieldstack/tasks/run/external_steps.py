"""Steps that wait for the world: an input that gets its value, a call that ends.

The executor polls it once a pass. A new kind of step that waits for the world has its function here, named
in `_polls`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fieldstack.tasks.motion.rt_facts import RtFacts
from fieldstack.tasks.motion.runner import Runner
from fieldstack.tasks.program.actions import CallAction, ExternalAction, InputAction
from fieldstack.tasks.program.machine import Machine
from fieldstack.tasks.run.calls import CallRunner, key_of
from fieldstack.tasks.state.table import TaskTable
from fieldstack.tasks.state.task import Task
from fieldstack_base.units import NS_PER_MS

_Poll = Callable[[int, Task, Runner, Any, RtFacts], None]


class ExternalSteps:
    """`run_ended`: called with a task whose run ended with such a step; its axes stand."""

    def __init__(
        self,
        machine: Machine,
        table: TaskTable,
        calls: CallRunner,
        run_ended: Callable[[Task, Runner], None],
    ) -> None:
        self._machine, self._table, self._calls, self._run_ended = machine, table, calls, run_ended
        self._polls: dict[type[ExternalAction], _Poll] = {
            InputAction: self._poll_input,
            CallAction: self._poll_call,
        }
        self._to_begin: list[Task] = []
        self._closed = False

    def close(self) -> None:
        """No further call begins."""
        self._closed = True

    def poll(self, now_ns: int, facts: RtFacts) -> None:
        """Complete what has come true; a task with pending changes comes to rest instead."""
        for task in self._table.live():
            runner = task.runner
            if runner is None:
                continue
            if task.pending_changes:
                runner.halt()
            waiting = runner.waiting
            if not isinstance(waiting, InputAction):
                task.input_since_ns = 0
            if waiting is not None:
                self._polls[type(waiting)](now_ns, task, runner, waiting, facts)

    def begin_calls(self, now_ns: int) -> None:
        """Begin the calls that this pass came to."""
        for task in self._to_begin:
            action = task.action
            if isinstance(action, CallAction):
                self._calls.start(task.id, key_of(task), action, now_ns)
        self._to_begin.clear()

    def _poll_input(
        self, now_ns: int, task: Task, runner: Runner, action: InputAction, facts: RtFacts
    ) -> None:
        task.input_since_ns = task.input_since_ns or now_ns
        if bool(self._machine.inputs[action.signal].value(facts.inputs)) is action.value:
            self._complete(now_ns, task, runner)
        elif action.timeout_ms and now_ns - task.input_since_ns > action.timeout_ms * NS_PER_MS:
            wanted = "on" if action.value else "off"
            task.fail(f"input {action.signal} was not {wanted} within {action.timeout_ms} ms")
            runner.halt()

    def _poll_call(
        self, now_ns: int, task: Task, runner: Runner, _action: CallAction, _facts: RtFacts
    ) -> None:
        key = key_of(task)
        result = self._calls.poll(key, now_ns)
        if result is None:
            if not self._calls.knows(key) and not self._closed:
                self._to_begin.append(task)
        elif result.ok:
            self._complete(now_ns, task, runner)
        elif result.begun:
            task.fail(result.text)
            runner.halt()
        else:
            task.ask(result.text)
            runner.halt()

    def _complete(self, now_ns: int, task: Task, runner: Runner) -> None:
        """What the world did is done, whatever becomes of the setpoints: counted at once."""
        if self._table.complete_step(task, now_ns):
            self._run_ended(task, runner)
        else:
            runner.resolve()
