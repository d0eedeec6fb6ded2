"""Decides what to do about each slave that is not well, from AL states and earlier attempts. Pure.

A slave that tripped its watchdog is acknowledged and requested back to OP. One that restarted has neither
address nor set-up: it gets its address, then its whole start-up configuration, then OP. One that says it is
in OP and takes no part is set up again. `decide` reads no clock and touches no wire; `recovery.py` carries it
out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from fieldstack_ethercat.bus.master.diagnosis import find_break
from fieldstack_ethercat.bus.slave.states import SlaveState, hint
from fieldstack_ethercat.wire.al import AlState

FREE_STEPS = 6
"""Steps at once before the backoff begins; a recovery from power loss takes four."""
QUICK_STEPS = 4
"""After this many requests for OP without success, a slave is set up again instead."""
RETRY_FIRST_NS = 50_000_000
RETRY_LONGEST_NS = 2_000_000_000
SETTLED_NS = 1_000_000_000
"""So long in OP, and a slave's earlier attempts are forgotten."""
LOST_POLL_NS = 20_000_000
"""How often a slave that does not answer is looked for."""
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
