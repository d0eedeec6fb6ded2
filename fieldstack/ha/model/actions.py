"""The actions that a decision orders: frozen records, sorted by severity, each with rule and cause.

The FailoverManager carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.vocabulary import ClearWhen, ProcessName


class ActionKind(IntEnum):
    """Kinds of orders, worst first: they are carried out in this order."""

    SHUTDOWN = 0
    EMERGENCY_STOP = 1
    SAFE_MODE_ENTER = 2
    AWAIT_MANUAL = 3
    DEGRADE = 4
    RECORD_STEP = 5
    READ_CHECKPOINT = 6
    FENCE_PROCESS = 7
    STOP_PROCESS = 8
    REBOOT_PROCESS = 9
    START_PROCESS = 10
    RESTART_SLAVE = 11
    RESTART_MODULE = 12
    REALLOCATE = 13
    CLEAR_LATCH = 14
    RESET_FAULTS = 15
    SAFE_MODE_EXIT = 16
    AWAIT_START = 17
    START = 18
    SEND_ALERT = 19
    ANSWER = 20


class Step(StrEnum):
    """The seven steps of a recovery, in order."""

    DETECTED = "detected"
    FENCED = "fenced"
    SAFE_OUTPUTS = "safe outputs confirmed"
    CHECKPOINT_READ = "checkpoint read"
    RESTART = "restart"
    HEARTBEAT_BACK = "heartbeat back"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a rule saw when it took effect. `value` and `threshold` are in the fact's unit. With a window,
    `value` is what was judged (mean or growth), not the last reading."""

    fact: FactKind
    subject: str
    value: float
    threshold: float | None = None
    window_ms: int = 0
    since_ns: int = 0


@dataclass(frozen=True, slots=True)
class Action:
    """One order.

    `rule` is the policy rule (or the built-in reason) that leads to it, `cause` what was seen, in words;
    `evidence` the same in numbers (None: no rule of the policy, for example an operator's request).
    `subject` is what is acted upon: `cell`, a process, `slave:NAME`, `module:NAME`, `group:NAME`.
    `id` is not 0 when the outcome must come back as an `ActionOutcome` before `deadline_ns`, or it escalates.
    Without an `id` there is no deadline, and nothing escalates.
    `override_percent` and `groups` belong to DEGRADE: the whole that is in force from now on (100 and none:
    nothing is limited any more); `groups` are axis groups that have to stand.
    `until` belongs to EMERGENCY_STOP and CLEAR_LATCH; `step`, `at_ns`, `took_ns`, `remark` to RECORD_STEP;
    `confirmed` to RECORD_STEP and ANSWER; `request` to ANSWER; `sources` (a bit mask) to
    CLEAR_LATCH: only what the decision has seen is cleared. `axes` (a mask) and `seen_cycle` belong to START
    and AWAIT_START, and to the answer to a start.
    """

    kind: ActionKind
    rule: str
    cause: str
    subject: str = "cell"
    until: ClearWhen | None = None
    step: Step | None = None
    at_ns: int = 0
    took_ns: int = 0
    attempt: int = 0
    confirmed: bool = True
    request: int = 0
    sources: int = 0
    remark: str = ""
    id: int = 0
    deadline_ns: int = 0
    evidence: Evidence | None = None
    override_percent: int = 100
    groups: tuple[str, ...] = ()
    axes: int = 0
    seen_cycle: int = 0

    @property
    def process(self) -> ProcessName | None:
        """The process that the action is for, if the subject is one."""
        return _PROCESSES.get(self.subject)

    def event_fields(self) -> dict[str, Any]:
        """The fields of this action's event that `fieldstack policy explain` needs."""
        fields: dict[str, Any] = {
            "action": self.kind.name,
            "subject": self.subject,
            "rule": self.rule,
            "cause": self.cause,
        }
        if self.id:
            fields["action_id"] = self.id
        if self.kind is ActionKind.DEGRADE:
            fields |= {"override_percent": self.override_percent, "groups": list(self.groups)}
        if seen := self.evidence:
            fields |= {
                "fact": seen.fact.value,
                "fact_subject": seen.subject,
                "value": seen.value,
                "threshold": seen.threshold,
                "window_ms": seen.window_ms,
                "over_since_ns": seen.since_ns,
            }
        return fields


_PROCESSES = {str(name): name for name in ProcessName}


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """The outcome of the action with this `id`: `confirmed` only if it was read back. An outcome may come
    later than in the next pass; until then the action is in flight. `at_ns`: when it was read back (0:
    now)."""

    id: int
    confirmed: bool
    text: str = ""
    at_ns: int = 0


def by_severity(actions: list[Action]) -> tuple[Action, ...]:
    """The actions, worst kind first; equal kinds stay in their order."""
    return tuple(sorted(actions, key=lambda action: action.kind))
