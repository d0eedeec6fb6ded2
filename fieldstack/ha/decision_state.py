"""What the decision core remembers from one decision to the next: frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field

from fieldstack.ha.actions import Step
from fieldstack.ha.states import HaState
from fieldstack.ha.vocabulary import Condition, ProcessName


@dataclass(frozen=True, slots=True)
class ActiveCondition:
    """A condition that counts. `gone_ns`: since when its cause is gone, 0 while it is there."""

    condition: Condition
    since_ns: int
    cause: str
    gone_ns: int = 0


@dataclass(frozen=True, slots=True)
class Pending:
    """A restart that waits for its time (and, for RT, for the fence and the safe outputs)."""

    due_ns: int
    rule: str
    cause: str
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Recovery:
    """A recovery on its way: the last step that was reached, and when."""

    began_ns: int
    rule: str
    cause: str
    attempt: int
    step: Step = Step.DETECTED
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class ProcessTrack:
    """What happened to one process.

    `restarts` are times of counted restarts; `failed_start` is the start whose failure was dealt
    with; `proven`: the present start was seen to do all that is expected of it.
    """

    name: ProcessName
    restarts: tuple[int, ...] = ()
    failed_start: int = -1
    started_ns: int = 0
    proven: bool = False
    pending: Pending | None = None
    recovery: Recovery | None = None


@dataclass(frozen=True, slots=True)
class DecisionState:
    """State of the decision core. `accepted_start`: the RT start whose positions a person accepted."""

    ha: HaState = HaState.NEVER
    since_ns: int = 0
    reason: str = "the Non-RT process starts"
    conditions: tuple[ActiveCondition, ...] = ()
    rt: ProcessTrack = field(default_factory=lambda: ProcessTrack(ProcessName.RT))
    core: ProcessTrack = field(default_factory=lambda: ProcessTrack(ProcessName.CORE))
    accepted_start: int = -1

    def track(self, name: ProcessName) -> ProcessTrack:
        return self.rt if name is ProcessName.RT else self.core

    def active(self, condition: Condition) -> ActiveCondition | None:
        return next((one for one in self.conditions if one.condition is condition), None)
