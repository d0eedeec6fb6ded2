"""Brings slaves back while the cell runs: a pure decision, and an executor that never waits for a slave.

A slave that tripped its watchdog is acknowledged and requested back to OP. One that restarted has neither
address nor set-up: it gets its address, then its whole start-up configuration, then OP. One that says it is
in OP and takes no part is set up anew. `decide` reads no clock and touches no wire. Each step is a script
(`script.py`): a pass carries all scripts on, for BUDGET_NS at most, so a slow slave delays nobody else. The
master's native cycle goes on meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from fieldstack_ethercat.bus.master.diagnosis import find_break
from fieldstack_ethercat.bus.script import Script
from fieldstack_ethercat.bus.slave.script_runner import Ended, ScriptRunner
from fieldstack_ethercat.bus.slave.states import SlaveState, hint
from fieldstack_ethercat.wire.al import AlState

FREE_STEPS = 6
"""Steps at once before the backoff begins; a recovery from power loss takes four."""
QUICK_STEPS = 4
"""After so many that led to nothing, a slave is set up anew instead of requested to OP once more."""
RETRY_FIRST_NS = 50_000_000
RETRY_LONGEST_NS = 2_000_000_000
SETTLED_NS = 1_000_000_000
"""So long in OP, and a slave's earlier attempts are forgotten."""
LOST_POLL_NS = 20_000_000
"""How often a slave that does not answer is looked for."""
TELL_AGAIN_NS = 60_000_000_000
"""A failure that repeats is told so often."""
NO_FAULTS: Mapping[int, str] = {}


class Step(Enum):
    """What is done about one slave."""

    RECOVER_ADDRESS = "recover_address"
    ACKNOWLEDGE = "acknowledge"
    RECONFIGURE = "reconfigure"
    REQUEST_OP = "request_op"


class EventKind(Enum):
    """What happened to one slave."""

    LOST = "slave_lost"
    BACK = "slave_back"
    LEFT_OP = "slave_left_op"
    RECOVERED = "slave_recovered"
    FAILED = "slave_recovery_failed"


@dataclass(frozen=True, slots=True)
class RecoveryEvent:
    """Something to be written down: which slave, what, in which words, and the step it was about, if any."""

    position: int
    name: str
    kind: EventKind
    text: str
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class SlaveMemory:
    """What is remembered of one slave between passes. `healthy_since_ns` is None while it is not."""

    answered: bool = True
    healthy: bool = True
    healthy_since_ns: int | None = None
    attempts: int = 0
    next_ns: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """One pass: the memory to keep, the steps to take by position, the events to report."""

    memory: tuple[SlaveMemory, ...]
    steps: tuple[tuple[int, Step], ...]
    events: tuple[RecoveryEvent, ...]


def step_for(state: SlaveState, allow_op: bool, attempts: int = 0, faulty: bool = False) -> Step | None:
    """The next step towards OP (SAFE-OP if `allow_op` is False); None if there is none to take.

    `attempts`: steps so far that did not help. `faulty`: it is known to take no part in the exchange.
    """
    if not state.answers:
        return Step.RECOVER_ADDRESS
    if state.error:
        return Step.ACKNOWLEDGE if attempts < QUICK_STEPS else Step.RECONFIGURE
    if state.state is AlState.OP:
        return Step.RECONFIGURE if faulty else None
    if state.state is AlState.SAFEOP and not faulty:
        again = Step.REQUEST_OP if attempts < QUICK_STEPS or attempts % 2 else Step.RECONFIGURE
        return again if allow_op else None
    return Step.RECONFIGURE


def decide(
    now_ns: int,
    states: Sequence[SlaveState],
    memory: Sequence[SlaveMemory],
    allow_op: bool = True,
    *,
    busy: Collection[int] = (),
    faulty: Mapping[int, str] = NO_FAULTS,
) -> Decision:
    """What to do about every slave now. `memory` is the last decision's, or `new_memory(states)` at first.

    `busy`: positions whose last step is still under way. `faulty`: why slaves in OP take no part.
    """
    kept: list[SlaveMemory] = []
    steps: list[tuple[int, Step]] = []
    events: list[RecoveryEvent] = []
    line_break = find_break(states)
    for state, before in zip(states, memory, strict=True):
        place = state.position
        step = step_for(state, allow_op, before.attempts, place in faulty)
        lost_text = line_break.text if line_break else ""
        events += _events(state, before, healthy=step is None, lost_text=lost_text, why=faulty.get(place, ""))
        after = _remember(now_ns, state, before, healthy=step is None)
        if step is not None and place not in busy and now_ns >= after.next_ns:
            steps.append((place, step))
            after = _attempted(now_ns, after, step)
        kept.append(after)
    return Decision(tuple(kept), tuple(steps), tuple(events))


def new_memory(states: Sequence[SlaveState]) -> tuple[SlaveMemory, ...]:
    """The memory of a bus that was well until now."""
    return tuple(SlaveMemory() for _ in states)


def _remember(now_ns: int, state: SlaveState, before: SlaveMemory, healthy: bool) -> SlaveMemory:
    since = (before.healthy_since_ns if before.healthy else None) or now_ns
    settled = healthy and now_ns - since >= SETTLED_NS
    return SlaveMemory(
        answered=state.answers,
        healthy=healthy,
        healthy_since_ns=since if healthy else None,
        attempts=0 if settled else before.attempts,
        next_ns=0 if settled or state.answers != before.answered else before.next_ns,
    )


def _attempted(now_ns: int, memory: SlaveMemory, step: Step) -> SlaveMemory:
    if step is Step.RECOVER_ADDRESS:
        return replace(memory, next_ns=now_ns + LOST_POLL_NS)
    attempts = memory.attempts + 1
    return replace(memory, attempts=attempts, next_ns=now_ns + backoff_ns(attempts))


def backoff_ns(attempts: int) -> int:
    """Pause after that many attempts: none for the first few, then doubling up to RETRY_LONGEST_NS."""
    if attempts < FREE_STEPS:
        return 0
    return min(RETRY_LONGEST_NS, RETRY_FIRST_NS << min(attempts - FREE_STEPS, 16))


def _events(
    state: SlaveState, before: SlaveMemory, *, healthy: bool, lost_text: str, why: str
) -> list[RecoveryEvent]:
    def event(kind: EventKind, text: str) -> RecoveryEvent:
        return RecoveryEvent(state.position, state.name, kind, text)

    if before.answered and not state.answers:
        return [event(EventKind.LOST, lost_text)]
    events = []
    if state.answers and not before.answered:
        events.append(event(EventKind.BACK, f"answers again: {state.text()}"))
    elif before.healthy and not healthy:
        advice = f". {hint(state.al_status_code)}" if state.error else ""
        events.append(event(EventKind.LEFT_OP, state.text() + (f", but {why}" if why else advice)))
    if healthy and not before.healthy:
        events.append(event(EventKind.RECOVERED, state.text()))
    return events


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
        """The slave takes no part in the exchange although it is in OP: it is to be set up anew."""
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
        before, told_ns = self._last_reported.get(position, ("", 0))
        if text == before and now_ns - told_ns < TELL_AGAIN_NS:
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
