"""Kinds of events, each with its severity and the text that people read.

Non-RT records events by kind, and alerts take their severity from here.
"""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class EventKind(StrEnum):
    """What an event is about. RT's own events are all of kind `rt`, named by their field `code`."""

    NONRT_STARTED = "nonrt.started"
    NONRT_STOPPED = "nonrt.stopped"
    STATE_CHANGED = "ha.state"
    ACTION_ORDERED = "ha.action_ordered"
    ACTION_DONE = "ha.action"
    ACTION_FAILED = "ha.action_failed"
    RECOVERY_STEP = "ha.recovery_step"
    ALERT = "ha.alert"
    ESTOP_RAISED = "estop.raised"
    ESTOP_CLEARED = "estop.cleared"
    OPERATOR_REQUEST = "operator.request"
    PROCESS_STARTED = "process.started"
    PROCESS_ADOPTED = "process.adopted"
    PROCESS_ENDED = "process.ended"
    PROCESS_DETECTED = "process.detected"
    PROCESS_DELAYED = "process.delayed"
    GUARD_TRIPPED = "guard.tripped"
    GUARD_CONFIRMED = "guard.safe_outputs"
    GUARD_RELEASED = "guard.released"
    POLICY_LOADED = "policy.loaded"
    CHECKPOINT_RESTORED = "checkpoint.restored"
    CHECKPOINT_JUDGED = "checkpoint.judged"
    CHECKPOINT_FAILED = "checkpoint.failed"
    CHECKPOINT_BACK = "checkpoint.back"
    RT = "rt"
    RT_DISTURBED = "rt.disturbed"
    RT_EVENTS_LOST = "rt.events_lost"
    LOG_REPAIRED = "log.repaired"
    LOG_RECOVERED = "log.recovered"
    LOG_LOST = "log.lost"
    SUPERVISION = "nonrt.supervision"


_TEXTS: dict[EventKind, tuple[Severity, str]] = {
    EventKind.NONRT_STARTED: (Severity.INFO, "Non-RT process {pid} started ({how})"),
    EventKind.NONRT_STOPPED: (Severity.INFO, "Non-RT process {pid} goes down: {why}"),
    EventKind.STATE_CHANGED: (Severity.WARNING, "{before} -> {after}: {reason}"),
    EventKind.ACTION_ORDERED: (Severity.INFO, "{action} {subject} [{rule}] ordered: {cause}"),
    EventKind.ACTION_DONE: (Severity.INFO, "{action} {subject} [{rule}]: {outcome}"),
    EventKind.ACTION_FAILED: (Severity.ERROR, "{action} {subject} [{rule}] failed: {outcome}"),
    EventKind.RECOVERY_STEP: (
        Severity.INFO,
        "recovery of {process}, attempt {attempt}: {step} after {took_ms:.3f} ms{remark}",
    ),
    EventKind.ALERT: (Severity.CRITICAL, "ALERT [{rule}] {cause}"),
    EventKind.ESTOP_RAISED: (Severity.CRITICAL, "EMERGENCY_STOP raised by {source}: {reason}"),
    EventKind.ESTOP_CLEARED: (Severity.INFO, "EMERGENCY_STOP of {sources} cleared: {why}"),
    EventKind.OPERATOR_REQUEST: (Severity.INFO, "{request} by {by}: {outcome}"),
    EventKind.PROCESS_STARTED: (Severity.INFO, "{process} started, pid {pid}"),
    EventKind.PROCESS_ADOPTED: (Severity.INFO, "{process} found running and adopted, pid {pid}"),
    EventKind.PROCESS_ENDED: (Severity.WARNING, "{process} (pid {pid}) ended: {why}"),
    EventKind.PROCESS_DETECTED: (
        Severity.WARNING,
        "{process} (pid {pid}) is {condition}: known {took_ms:.3f} ms after its last sign of life ({why})",
    ),
    EventKind.PROCESS_DELAYED: (Severity.INFO, "went on after misses: {what}"),
    EventKind.GUARD_TRIPPED: (Severity.CRITICAL, "guard tripped: RT is {cause}, first safe frame sent"),
    EventKind.GUARD_CONFIRMED: (
        Severity.INFO,
        "guard read back that no slave{without} is in OP any more (LWR working counter {lwr_wkc})",
    ),
    EventKind.GUARD_RELEASED: (Severity.INFO, "guard handed the bus to a new RT process"),
    EventKind.POLICY_LOADED: (Severity.INFO, "policy {file} is in force ({rules} rules, {sha256})"),
    EventKind.CHECKPOINT_RESTORED: (Severity.INFO, "checkpoint {generation} read: {remark}"),
    EventKind.CHECKPOINT_JUDGED: (Severity.INFO, "restore: {verdict} [{rule}]: {reason}"),
    EventKind.CHECKPOINT_FAILED: (
        Severity.ERROR,
        "checkpoint could not be kept: {why}; the cell goes on, it is tried again",
    ),
    EventKind.CHECKPOINT_BACK: (Severity.INFO, "checkpoint is on the disk again"),
    EventKind.RT: (Severity.INFO, "RT: {text}"),
    EventKind.RT_DISTURBED: (Severity.WARNING, "RT, further within {span_ms:.0f} ms: {what}"),
    EventKind.RT_EVENTS_LOST: (Severity.WARNING, "RT's event ring was full: {count} events lost"),
    EventKind.LOG_REPAIRED: (Severity.WARNING, "event log {file}: torn end of {bytes} bytes removed"),
    EventKind.LOG_RECOVERED: (
        Severity.INFO,
        "{count} events that the Non-RT process before could not write down any more were taken over",
    ),
    EventKind.LOG_LOST: (
        Severity.ERROR,
        "{count} events could not be written ({why}); first lost number: {first}",
    ),
    EventKind.SUPERVISION: (Severity.WARNING, "supervision: {what}"),
}


def render(kind: EventKind, data: dict[str, object]) -> tuple[Severity, str]:
    """The severity and text of an event. A field that is missing shows as `?`; nothing is raised."""
    severity, text = _TEXTS[kind]
    try:
        return severity, text.format_map(data)
    except (KeyError, ValueError, TypeError, IndexError):
        return severity, f"{kind}: {data}"
