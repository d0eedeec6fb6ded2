"""What each event of the RT process says, and with which numbers: one table for people and machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fieldstack_rt.datastore.layout import (
    MAX_AXES,
    AgentReaction,
    EstopSource,
    EventCode,
    Refusal,
    Rung,
    Stop,
)
from fieldstack_rt.datastore.rings import RtEvent


@dataclass(frozen=True, slots=True)
class EventText:
    """`text` is filled from the event's fields by the names below; an empty name: the field is unused."""

    text: str
    subject: str = ""
    a: str = ""
    b: str = ""
    c: str = ""
    severity: str = "info"


_TEXTS: Mapping[int, EventText] = {
    EventCode.CYCLE_STARTED: EventText(
        "cycle started, period {period_ns}, {axes} axes", a="period_ns", b="axes"
    ),
    EventCode.CYCLE_STOPPED: EventText("cycle stopped after {cycles} cycles", a="cycles"),
    EventCode.LATE_WAKEUP: EventText(
        "cycle thread woke {late_ns} late ({cause}); {skipped} cycles skipped",
        a="late_ns",
        b="preemptions",
        c="skipped",
        severity="warning",
    ),
    EventCode.FRAME_LOST: EventText(
        "no answer to the process data frame within {elapsed_ns} ({cause})",
        a="elapsed_ns",
        b="timeout_ns",
        c="preemptions",
        severity="warning",
    ),
    EventCode.WKC_LOW: EventText(
        "working counter {wkc} instead of {expected}: a slave does not take part",
        a="wkc",
        b="expected",
        severity="error",
    ),
    EventCode.WKC_BACK: EventText("working counter as expected again after {cycles} cycles", a="cycles"),
    EventCode.ESTOP_OBEYED: EventText(
        "EMERGENCY_STOP obeyed in cycle {cycle} ({sources})",
        a="on_reset",
        b="on_recovery",
        c="cycle",
        severity="critical",
    ),
    EventCode.ESTOP_CLEARED: EventText(
        "EMERGENCY_STOP cleared in cycle {cycle}", a="on_reset", b="on_recovery", c="cycle"
    ),
    EventCode.NONRT_SILENT: EventText(
        "no beat of the Non-RT process for {cycles} cycles: axes stop",
        a="cycles",
        b="beat",
        c="reaction_code",
        severity="error",
    ),
    EventCode.NONRT_BACK: EventText("the Non-RT process beats again", a="beat", b="before_code"),
    EventCode.STREAM_STARTED: EventText("setpoint stream {stream} started", a="stream"),
    EventCode.STREAM_ENDED: EventText("setpoint stream {stream} ended at rest", a="stream", b="tail"),
    EventCode.STREAM_DRY: EventText(
        "setpoint stream {stream} ran dry: controlled stop", a="stream", b="tail", severity="warning"
    ),
    EventCode.STREAM_REFUSED: EventText(
        "setpoint stream {stream} refused: axis {axis} {refusal}",
        subject="axis",
        a="stream",
        b="tail",
        c="refusal_code",
        severity="warning",
    ),
    EventCode.AXIS_FAULT: EventText(
        "axis {axis}: drive fault {error_code:#06x}",
        subject="axis",
        a="error_code",
        b="statusword",
        severity="error",
    ),
    EventCode.AXIS_FAULT_CLEARED: EventText(
        "axis {axis}: drive fault cleared", subject="axis", a="error_code"
    ),
    EventCode.AXES_ENABLED: EventText("all {axes} axes enabled", a="axes"),
    EventCode.STOP_REASON: EventText("axes: {reason} (before: {before})", a="reason_code", b="before_code"),
    EventCode.NONRT_NEVER: EventText(
        "no Non-RT process has been seen for {gap_ns} since the start: axes stay where they are",
        a="gap_ns",
        severity="error",
    ),
    EventCode.NONRT_SLOW: EventText(
        "the Non-RT process is slow: no beat for {gap_ns} (limit {limit_ns})",
        a="gap_ns",
        b="limit_ns",
        severity="warning",
    ),
    EventCode.NONRT_DEAD: EventText(
        "the Non-RT process died; {reaction}", a="beat", b="reaction_code", c="go_on_ns", severity="error"
    ),
    EventCode.NONRT_STOPPING: EventText(
        "the Non-RT process went down by request; {reaction}", a="beat", b="reaction_code"
    ),
    EventCode.AGENT_WORDS: EventText(
        "agent settings in shared memory are out of bounds (bits {bits:#x}): RT's own are used",
        a="bits",
        severity="error",
    ),
    EventCode.AXIS_STOP: EventText(
        "axis {axis}: {reason} (before: {before})", subject="axis", a="reason_code", b="before_code"
    ),
    EventCode.AXIS_JOINED: EventText(
        "axis {axis} joined setpoint stream {stream}", subject="axis", a="stream"
    ),
    EventCode.AXIS_OUT: EventText(
        "axis {axis} stays out of stream {stream}: {difference} counts away, or not ready",
        subject="axis",
        a="stream",
        b="difference",
        severity="warning",
    ),
    EventCode.SLAVES_EXCUSED: EventText(
        "working counter {expected} expected now (before: {before}): it leaves out lost slaves",
        a="expected",
        b="before",
        c="axes_lost",
        severity="warning",
    ),
    EventCode.STREAM_DAMAGED: EventText(
        "a setpoint of stream {stream} was dropped: no stream has such an id, the ring is damaged",
        a="stream",
        severity="error",
    ),
    EventCode.STREAM_GAP: EventText(
        "setpoint stream {stream} broken off: {cycles} cycles without exchange; the axes stop where they are",
        a="stream",
        b="cycles",
        severity="warning",
    ),
    EventCode.NONRT_HOLD_OVER: EventText(
        "nobody supervises the axes for {gap_ns}: power off (hold_at_most_ms of rt_agent: {limit_ns})",
        a="gap_ns",
        b="limit_ns",
        severity="error",
    ),
    EventCode.HOLD_ENDED: EventText(
        "axis {axis} comes to a stand: nobody holds its jog any longer", subject="axis", a="stream"
    ),
    EventCode.AXES_STAND: EventText(
        "all axes stand, {elapsed_ns} after they were told to ({reason})", a="elapsed_ns", b="reason_code"
    ),
    EventCode.STOP_IGNORED: EventText(
        "axis {axis} ignores the stop: Operation enabled at {speed} counts/s, {elapsed_ns} after it",
        subject="axis",
        a="speed",
        b="elapsed_ns",
        c="statusword",
        severity="critical",
    ),
    EventCode.AXIS_RUNS_ON: EventText(
        "axis {axis} did not stop: {speed} counts/s, {elapsed_ns} after it had to; now: {rung}",
        subject="axis",
        a="speed",
        b="elapsed_ns",
        c="rung_code",
        severity="critical",
    ),
    EventCode.AWAIT_START: EventText("axes {axes} wait for a start from now on", a="axes"),
    EventCode.START: EventText(
        "start {sequence}: axes {axes} may move{refused}", a="axes", b="refused", c="sequence"
    ),
    EventCode.SLAVE_STATE: EventText(
        "slave {slave}: AL state {al_state:#04x}, AL status code {al_status_code:#06x}",
        subject="slave",
        a="al_state",
        b="al_status_code",
        severity="warning",
    ),
    EventCode.SLAVE_LOST: EventText("slave {slave} does not answer", subject="slave", severity="error"),
    EventCode.SLAVE_RECOVERED: EventText(
        "slave {slave} is back in OP after {duration_ns}", subject="slave", a="duration_ns"
    ),
    EventCode.BUS_OP: EventText(
        "{slaves} slaves in OP {duration_ns} after the start; missing, and not needed: {missing}",
        a="slaves",
        b="duration_ns",
        c="missing",
    ),
    EventCode.POSITIONS_CHECKED: EventText("positions agree with the checkpoint ({axes} axes)", a="axes"),
    EventCode.POSITIONS_DIFFER: EventText(
        "axis {axis} stands {difference} counts from its checkpoint (allowed {allowed})",
        subject="axis",
        a="difference",
        b="allowed",
        severity="error",
    ),
    EventCode.SETUP_DEGRADED: EventText(
        "real-time set-up degraded (bits {bits:#x})", a="bits", severity="warning"
    ),
    EventCode.BUS_COMMAND: EventText("bus command {sequence} carried out (ok: {ok})", a="sequence", b="ok"),
    EventCode.SLAVE_RESTART: EventText(
        "slave {slave} is restarted by command {sequence}", subject="slave", a="sequence"
    ),
    EventCode.STOP_OBJECT_ABSENT: EventText(
        "slave {slave} has no object {object:#06x}: how it stops is as its maker set it",
        subject="slave",
        a="object",
        severity="warning",
    ),
    EventCode.SLAVE_NOT_BACK: EventText(
        "slave {slave}: attempt {attempts} to bring it back failed (AL state {al_state:#04x}, AL status code "
        "{al_status_code:#06x}); it goes on, and `fieldstack status` says why it failed",
        subject="slave",
        a="al_state",
        b="al_status_code",
        c="attempts",
        severity="error",
    ),
    EventCode.SLAVE_NO_PART: EventText(
        "slave {slave} is in OP and takes no part in the exchange: it is set up anew",
        "slave",
        severity="error",
    ),
    EventCode.MAILBOX_RETRY: EventText(
        "slave {slave}: its mailbox did not answer within {waited_ms} ms (attempt {attempts}); asked again",
        subject="slave",
        a="attempts",
        b="waited_ms",
        severity="warning",
    ),
    EventCode.GROUP_POWERED: EventText("axes {axes:#x} may be powered again", a="axes"),
    EventCode.MEMORY_LOST: EventText(
        "the shared memory's name is gone, or another's: RT comes to a stand and ends", severity="critical"
    ),
    EventCode.MEMORY_MENDED: EventText(
        "the shared memory's header was damaged, and is mended (magic was {magic:#x})",
        a="magic",
        severity="error",
    ),
}

_UNKNOWN = EventText("event {code} of a newer RT process", a="a", b="b", c="c")


def _late_cause(fields: Mapping[str, int | str]) -> str:
    """Preempted: something of higher priority ran here. Otherwise the CPU or the timer itself stood still."""
    if fields["preemptions"]:
        return "preempted by another thread"
    return "the CPU or its timer stood still"


def _lost_cause(fields: Mapping[str, int | str]) -> str:
    if fields["preemptions"]:
        return "this thread was preempted while it waited"
    if int(fields["elapsed_ns"]) > 2 * int(fields["timeout_ns"]):
        return "this thread's CPU stood still while it waited"
    return "cable, slave or segment did not return it"


def _names(event: RtEvent, entry: EventText) -> dict[str, int | str]:
    pairs = ((entry.subject, event.subject), (entry.a, event.a), (entry.b, event.b), (entry.c, event.c))
    return {name: value for name, value in pairs if name}


def _derived(event: RtEvent, fields: dict[str, int | str]) -> None:
    if event.code == EventCode.LATE_WAKEUP:
        fields["cause"] = _late_cause(fields)
    elif event.code == EventCode.FRAME_LOST:
        fields["cause"] = _lost_cause(fields)
    elif event.code == EventCode.ESTOP_OBEYED:
        both = event.a | event.b
        fields["sources"] = ", ".join(source.name.lower() for source in EstopSource if both >> source & 1)
    elif event.code in (EventCode.STOP_REASON, EventCode.AXIS_STOP):
        fields["reason"], fields["before"] = stop_text(event.a), stop_text(event.b)
    elif event.code == EventCode.STREAM_REFUSED:
        fields["refusal"] = refusal_text(event.c)
    elif event.code == EventCode.AWAIT_START:
        fields["axes"] = _numbers(event.a)
    elif event.code == EventCode.START:
        held = _numbers(event.b)
        fields["axes"] = _numbers(event.a)
        fields["refused"] = f"; axes {held} are held by something else, and wait on" if event.b else ""
    elif event.code == EventCode.AXES_STAND:
        fields["reason"] = stop_text(event.b)
    elif event.code == EventCode.AXIS_RUNS_ON:
        fields["rung"] = rung_text(event.c)
    elif event.code in (EventCode.NONRT_DEAD, EventCode.NONRT_STOPPING):
        fields["reaction"] = _REACTIONS.get(event.b, "axes stop")


_REFUSALS: Mapping[int, str] = {
    Refusal.HELD: "must stand",
    Refusal.NOT_HOLDING: "does not stand under power",
    Refusal.AWAY: "stands elsewhere than where it begins",
    Refusal.JUMP: "would jump",
    Refusal.LIMIT: "would leave its position limits, or go further beyond them",
    Refusal.SPEED: "would exceed its velocity limit",
    Refusal.BEYOND_SPEED: "would exceed its jog velocity beyond its position limits",
}


def refusal_text(number: int) -> str:
    """What an axis that refuses a setpoint would do (`fs_refusal`)."""
    return _REFUSALS.get(number, f"refuses it (reason {number})")


def _numbers(mask: int) -> str:
    return ", ".join(str(axis) for axis in range(MAX_AXES) if mask >> axis & 1) or "none"


_REACTIONS: Mapping[int, str] = {
    AgentReaction.STOP: "axes stop and lose power",
    AgentReaction.HOLD: "axes stop and hold",
}
_STOPS: Mapping[int, str] = {
    Stop.NONE: "free to move",
    Stop.NOT_ENABLED: "not all enabled",
    Stop.UNDERRUN: "standing, the setpoint stream ran dry",
    Stop.START: "standing, waits for a start",
    Stop.OUT: "standing, dropped out of the running stream",
    Stop.BLOCKED: "standing, blocked by the Non-RT process",
    Stop.PERMIT: "standing, the Non-RT process gives no permit",
    Stop.NONRT_SILENT: "standing, the Non-RT process does not beat",
    Stop.NONRT_DEAD: "standing, the Non-RT process is dead",
    Stop.SLAVE_LOST: "standing, its slave is lost or restarted",
    Stop.AXIS_FAULT: "standing, an axis is in fault",
    Stop.WKC: "standing, slaves do not take part",
    Stop.SHUTDOWN: "coming to a stand for shutdown",
    Stop.ESTOP: "stopped by EMERGENCY_STOP",
}


RUNGS: Mapping[int, str] = {
    Rung.NONE: "nothing yet",
    Rung.QUICK_STOP: "quick stop",
    Rung.BRAKE: "brake applied",
    Rung.DISABLE_VOLTAGE: "voltage disabled",
    Rung.SAFE_OUTPUTS: "safe outputs of its slave",
    Rung.END_RT: "RT ended, the guard has the outputs",
}
"""What is done with an axis that does not stop, for people."""


def rung_text(number: int) -> str:
    return RUNGS.get(number, f"rung {number}")


def stop_text(number: int) -> str:
    """What a stop reason (`fs_stop`) says of the axes."""
    return _STOPS.get(number, f"standing (reason {number})")


def _readable(fields: Mapping[str, int | str]) -> dict[str, int | str]:
    """Durations as people read them."""
    return {
        name: f"{value / 1e6:.3f} ms" if name.endswith("_ns") and isinstance(value, int) else value
        for name, value in fields.items()
    }


def describe(event: RtEvent) -> tuple[str, str, dict[str, int | str]]:
    """An event's severity (info, warning, error, critical), text, and fields by name."""
    entry = _TEXTS.get(int(event.code), _UNKNOWN)
    fields = _names(event, entry)
    _derived(event, fields)
    return entry.severity, entry.text.format(**_readable(fields), code=int(event.code)), fields
