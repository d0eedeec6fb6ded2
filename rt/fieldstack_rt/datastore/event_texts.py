"""The text and the numbers of each event of the RT process: one table for people and programs.

A new event needs its code in `native/layout.h` and `layout.py`, and a row here. `events.py` fills the texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fieldstack_rt.datastore.layout import EventCode


@dataclass(frozen=True, slots=True)
class EventText:
    """`text` is filled from the event's fields by the names below; an empty name: the field is unused."""

    text: str
    subject: str = ""
    a: str = ""
    b: str = ""
    c: str = ""
    severity: str = "info"


TEXTS: Mapping[int, EventText] = {
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
        "all axes stand, {elapsed_ns} after the order ({reason})", a="elapsed_ns", b="reason_code"
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
        "slave {slave} is in OP and takes no part in the exchange: it is set up again",
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
        "the shared memory's header was damaged, and is repaired (magic was {magic:#x})",
        a="magic",
        severity="error",
    ),
}
