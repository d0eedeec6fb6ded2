"""Brings slaves back while the cell runs, and never waits for one. RT's housekeeping calls it each pass.

What is done is decided in `recovery_decision.py`. Each step is a script (`script.py`): a pass carries all
scripts on, for BUDGET_NS at most, so a slow slave delays nobody else. The master's native cycle goes on
meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Protocol

from fieldstack_ethercat.bus.master.recovery_decision import (
    EventKind,
    RecoveryEvent,
    SlaveMemory,
    Step,
    backoff_ns,
    decide,
    new_memory,
)
from fieldstack_ethercat.bus.script import Script
from fieldstack_ethercat.bus.slave.script_runner import Ended, ScriptRunner
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.wire.al import AlState

REPORT_AGAIN_NS = 60_000_000_000
"""A failure that repeats is reported this often."""


class RecoverableBus(Protocol):
    """What of `Bus` the executor uses. `script`: how a step is taken; None: nobody is there."""

    def read_states(self) -> tuple[SlaveState, ...]: ...
    def script(self, position: int, step: Step, state: AlState | None) -> Script[None] | None: ...


class Recovery:
    """Runs passes on a bus. Not thread-safe: one housekeeping thread calls it."""

    def __init__(self, bus: RecoverableBus, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._bus = bus
        self._memory: tuple[SlaveMemory, ...] | None = None
        self.states: tuple[SlaveState, ...] = ()
        """As read by the last pass."""
        self._steps: tuple[tuple[int, Step], ...] = ()
        self._runner: ScriptRunner[Step] = ScriptRunner(clock)
        self.faulty: dict[int, str] = {}
        """Why slaves that say they are in OP take no part in the exchange, by position; see `suspect`."""
        self.failures: dict[int, str] = {}
        """What the last attempt to bring a slave back failed with, by position, until it is well."""
        self._last_reported: dict[int, tuple[str, int]] = {}

    def run(self, now_ns: int, allow_op: bool = True) -> tuple[RecoveryEvent, ...]:
        """One pass: read states, decide, act. Returns what happened; a failed step is an event, no error."""
        return (*self.read(now_ns, allow_op), *self.act())

    @property
    def busy(self) -> frozenset[int]:
        """Positions of the slaves that something is being done about."""
        return self._runner.busy

    @property
    def setting_up(self) -> frozenset[int]:
        """Those that are taken from INIT on, or are about to be."""
        about_to = {position for position, step in self._steps if step is Step.RECONFIGURE}
        return self._runner.busy_with(Step.RECONFIGURE) | about_to

    def suspect(self, position: int, why: str) -> None:
        """The slave does not exchange data although it is in OP: it has to be set up again."""
        self.faulty[position] = why

    def restart_slaves(self, positions: Collection[int]) -> None:
        """These slaves are taken down by command: what is under way ends, what failed is forgotten."""
        for position in positions:
            self._runner.cancel(position)
            self.faulty.pop(position, None)
        if self._memory is not None:
            self._memory = tuple(
                replace(one, attempts=0, next_ns=0) if place in positions else one
                for place, one in enumerate(self._memory)
            )

    def read(
        self, now_ns: int, allow_op: bool = True, exchange_is_whole: Callable[[], bool] | None = None
    ) -> tuple[RecoveryEvent, ...]:
        """The quick half of a pass: read states and decide. Returns what happened.

        Where nobody answers although the exchange is whole, the frame that asked was lost, not the slaves:
        then nothing is decided.
        """
        states = self._bus.read_states()
        if exchange_is_whole and not any(s.answers for s in states) and self.states and exchange_is_whole():
            return ()
        self.states = states
        before = self._memory or new_memory(states)
        decision = decide(now_ns, states, before, allow_op, busy=self.busy, faulty=self.faulty)
        self._memory, self._steps = decision.memory, decision.steps
        for place, one in enumerate(decision.memory):
            if one.healthy:
                self.failures.pop(place, None)
                self._last_reported.pop(place, None)
        return decision.events

    def act(self) -> tuple[RecoveryEvent, ...]:
        """The other half: begin the steps decided on, and carry on what is under way; see `ScriptRunner`."""
        steps, self._steps = self._steps, ()
        line_ends = False
        for position, step in steps:
            if line_ends and step is Step.RECOVER_ADDRESS:
                continue  # nobody behind the first place where nobody is can be reached either
            script = self._bus.script(position, step, self.states[position].state)
            line_ends = line_ends or script is None
            if script is not None:
                self._runner.begin(position, step, script)
        return tuple(event for ended in self._runner.run_pass() if (event := self._note(ended)))

    def _note(self, ended: Ended[Step]) -> RecoveryEvent | None:
        position, now_ns = ended.position, ended.at_ns
        if ended.error is None:
            if ended.step is Step.RECONFIGURE:
                self.faulty.pop(position, None)
                self._next_at(position, 0)  # set up: what is left is OP
            return None
        text = str(ended.error)
        self.failures[position] = text
        self._put_off(position, now_ns, ended.step)
        before, reported_ns = self._last_reported.get(position, ("", 0))
        if text == before and now_ns - reported_ns < REPORT_AGAIN_NS:
            return None
        self._last_reported[position] = (text, now_ns)
        return RecoveryEvent(position, self.states[position].name, EventKind.FAILED, text, ended.step)

    def _put_off(self, position: int, now_ns: int, step: Step) -> None:
        """The pause before the next attempt begins where this one ended."""
        attempts = self.attempts(position) + (step is Step.RECOVER_ADDRESS)  # counts where somebody is
        self._next_at(position, now_ns + backoff_ns(attempts), attempts)

    def _next_at(self, position: int, next_ns: int, attempts: int | None = None) -> None:
        if self._memory is None:
            return
        memory = list(self._memory)
        one = memory[position]
        kept = one.attempts if attempts is None else attempts
        memory[position] = replace(one, attempts=kept, next_ns=next_ns)
        self._memory = tuple(memory)

    def attempts(self, position: int) -> int:
        """Steps that did not bring the slave back, since it was well."""
        return self._memory[position].attempts if self._memory else 0
