"""Brings slaves back while the cell runs: a pure decision, and an executor that is thin.

A slave that tripped its watchdog is acknowledged and requested back to OP. One that restarted has neither
address nor set-up: it gets its address, then its whole start-up configuration, then OP. `decide` reads no
clock and touches no wire. The master's native cycle goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from fieldstack_ethercat.bus.diagnosis import find_break
from fieldstack_ethercat.bus.errors import BusError
from fieldstack_ethercat.bus.states import SlaveState, hint
from fieldstack_ethercat.wire.al import AlState

FREE_STEPS = 6
"""Steps at once before the backoff begins; a recovery from power loss takes four."""
RETRY_FIRST_NS = 50_000_000
RETRY_LONGEST_NS = 2_000_000_000
SETTLED_NS = 1_000_000_000
"""So long in OP, and a slave's earlier attempts are forgotten."""
LOST_POLL_NS = 20_000_000
"""How often a slave that does not answer is looked for."""


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
class Memory:
    """What is remembered of one slave between passes. `healthy_since_ns` is None while it is not."""

    answered: bool = True
    healthy: bool = True
    healthy_since_ns: int | None = None
    attempts: int = 0
    next_ns: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """One pass: the memory to keep, the steps to take by position, the events to report."""

    memory: tuple[Memory, ...]
    steps: tuple[tuple[int, Step], ...]
    events: tuple[RecoveryEvent, ...]


def step_for(state: SlaveState, allow_op: bool) -> Step | None:
    """The next step towards OP (SAFE-OP if `allow_op` is False); None if there is none to take."""
    if not state.answers:
        return Step.RECOVER_ADDRESS
    if state.error:
        return Step.ACKNOWLEDGE
    if state.state is AlState.OP:
        return None
    if state.state is AlState.SAFEOP:
        return Step.REQUEST_OP if allow_op else None
    return Step.RECONFIGURE


def decide(
    now_ns: int, states: Sequence[SlaveState], memory: Sequence[Memory], allow_op: bool = True
) -> Decision:
    """What to do about every slave now. `memory` is the last decision's, or `forget(states)` at first."""
    kept: list[Memory] = []
    steps: list[tuple[int, Step]] = []
    events: list[RecoveryEvent] = []
    line_break = find_break(states)
    for state, before in zip(states, memory, strict=True):
        step = step_for(state, allow_op)
        lost_text = line_break.text if line_break else ""
        events += _events(state, before, healthy=step is None, lost_text=lost_text)
        after = _remember(now_ns, state, before, healthy=step is None)
        if step is not None and now_ns >= after.next_ns:
            steps.append((state.position, step))
            after = _attempted(now_ns, after, step)
        kept.append(after)
    return Decision(tuple(kept), tuple(steps), tuple(events))


def forget(states: Sequence[SlaveState]) -> tuple[Memory, ...]:
    """The memory of a bus that was well until now."""
    return tuple(Memory() for _ in states)


def _remember(now_ns: int, state: SlaveState, before: Memory, healthy: bool) -> Memory:
    since = (before.healthy_since_ns if before.healthy else None) or now_ns
    settled = healthy and now_ns - since >= SETTLED_NS
    return Memory(
        answered=state.answers,
        healthy=healthy,
        healthy_since_ns=since if healthy else None,
        attempts=0 if settled else before.attempts,
        next_ns=0 if settled or state.answers != before.answered else before.next_ns,
    )


def _attempted(now_ns: int, memory: Memory, step: Step) -> Memory:
    if step is Step.RECOVER_ADDRESS:
        return replace(memory, next_ns=now_ns + LOST_POLL_NS)
    attempts = memory.attempts + 1
    return replace(memory, attempts=attempts, next_ns=now_ns + backoff_ns(attempts))


def backoff_ns(attempts: int) -> int:
    """Pause after that many attempts: none for the first few, then doubling up to RETRY_LONGEST_NS."""
    if attempts < FREE_STEPS:
        return 0
    return min(RETRY_LONGEST_NS, RETRY_FIRST_NS << min(attempts - FREE_STEPS, 16))


def _events(state: SlaveState, before: Memory, healthy: bool, lost_text: str) -> list[RecoveryEvent]:
    def event(kind: EventKind, text: str) -> RecoveryEvent:
        return RecoveryEvent(state.position, state.name, kind, text)

    if before.answered and not state.answers:
        return [event(EventKind.LOST, lost_text)]
    events = []
    if state.answers and not before.answered:
        events.append(event(EventKind.BACK, f"answers again: {state.text()}"))
    elif before.healthy and not healthy:
        advice = f". {hint(state.al_status_code)}" if state.error else ""
        events.append(event(EventKind.LEFT_OP, state.text() + advice))
    if healthy and not before.healthy:
        events.append(event(EventKind.RECOVERED, state.text()))
    return events


class RecoverableBus(Protocol):
    """What of `Bus` the executor uses."""

    def read_states(self) -> tuple[SlaveState, ...]: ...
    def recover_address(self, position: int) -> bool: ...
    def acknowledge(self, position: int, state: AlState) -> None: ...
    def reconfigure(self, position: int) -> SlaveState: ...
    def request_slave(self, position: int, control: int) -> None: ...


class Recovery:
    """Runs passes on a bus. Not thread-safe: one housekeeping thread calls it."""

    def __init__(self, bus: RecoverableBus) -> None:
        self._bus = bus
        self._memory: tuple[Memory, ...] | None = None
        self.states: tuple[SlaveState, ...] = ()
        """As read by the last pass."""
        self._steps: tuple[tuple[int, Step], ...] = ()

    def run(self, now_ns: int, allow_op: bool = True) -> tuple[RecoveryEvent, ...]:
        """One pass: read states, decide, act. Returns what happened; a failed step is an event, no error."""
        return (*self.read(now_ns, allow_op), *self.act())

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
        decision = decide(now_ns, self.states, self._memory or forget(self.states), allow_op)
        self._memory, self._steps = decision.memory, decision.steps
        return decision.events

    def act(self) -> tuple[RecoveryEvent, ...]:
        """The other half: take the steps decided on, tens of milliseconds for a slave that is set up anew."""
        steps, self._steps = self._steps, ()
        return tuple(self._act(steps))

    def _act(self, steps: Sequence[tuple[int, Step]]) -> list[RecoveryEvent]:
        failed = []
        line_ends = False
        for position, step in steps:
            if step is Step.RECOVER_ADDRESS:
                # nobody behind the first slave that is not there can be reached either
                line_ends = line_ends or not self._bus.recover_address(position)
                continue
            try:
                self._take(position, step)
            except BusError as error:
                state = self.states[position]
                failed.append(RecoveryEvent(position, state.name, EventKind.FAILED, str(error), step))
        return failed

    def _take(self, position: int, step: Step) -> None:
        state = self.states[position].state
        if step is Step.ACKNOWLEDGE and state is not None:
            self._bus.acknowledge(position, state)
        elif step is Step.RECONFIGURE:
            self._bus.reconfigure(position)
        else:
            self._bus.request_slave(position, AlState.OP)
