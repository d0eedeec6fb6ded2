"""What a decision asks for: frozen orders, sorted by severity, each naming its rule and its cause."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from fieldstack.ha.vocabulary import ClearWhen, ProcessName


class ActionKind(IntEnum):
    """Kinds of orders, worst first: they are carried out in this order."""

    EMERGENCY_STOP = 0
    SAFE_MODE_ENTER = 1
    AWAIT_MANUAL = 2
    RECORD_STEP = 3
    READ_CHECKPOINT = 4
    FENCE_PROCESS = 5
    STOP_PROCESS = 6
    REBOOT_PROCESS = 7
    START_PROCESS = 8
    CLEAR_LATCH = 9
    RESET_FAULTS = 10
    SAFE_MODE_EXIT = 11
    SEND_ALERT = 12
    ANSWER = 13


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
class Action:
    """One order.

    `rule` is the policy rule (or the built-in reason) that leads to it, `cause` what was seen.
    `until` belongs to EMERGENCY_STOP and CLEAR_LATCH; `step`, `at_ns`, `took_ns`, `remark` to RECORD_STEP;
    `confirmed` to RECORD_STEP and ANSWER; `request` to ANSWER; `sources` (a bit mask) to
    CLEAR_LATCH: only what the decision has seen is cleared.
    """

    kind: ActionKind
    rule: str
    cause: str
    process: ProcessName | None = None
    until: ClearWhen | None = None
    step: Step | None = None
    at_ns: int = 0
    took_ns: int = 0
    attempt: int = 0
    confirmed: bool = True
    request: int = 0
    sources: int = 0
    remark: str = ""


def by_severity(actions: list[Action]) -> tuple[Action, ...]:
    """The actions, worst kind first; equal kinds stay in their order."""
    return tuple(sorted(actions, key=lambda action: action.kind))
