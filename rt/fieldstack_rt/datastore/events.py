"""An event of the RT process as a text and named fields; the event log and the terminal take it from here."""

from __future__ import annotations

from collections.abc import Mapping

from fieldstack_rt.datastore.event_texts import TEXTS, EventText
from fieldstack_rt.datastore.layout import (
    MAX_AXES,
    AgentReaction,
    EstopSource,
    EventCode,
)
from fieldstack_rt.datastore.number_texts import refusal_text, rung_text, stop_text
from fieldstack_rt.datastore.rings import RtEvent

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


def _numbers(mask: int) -> str:
    return ", ".join(str(axis) for axis in range(MAX_AXES) if mask >> axis & 1) or "none"


_REACTIONS: Mapping[int, str] = {
    AgentReaction.STOP: "axes stop and lose power",
    AgentReaction.HOLD: "axes stop and hold",
}


def _readable(fields: Mapping[str, int | str]) -> dict[str, int | str]:
    """Durations as people read them."""
    return {
        name: f"{value / 1e6:.3f} ms" if name.endswith("_ns") and isinstance(value, int) else value
        for name, value in fields.items()
    }


def describe(event: RtEvent) -> tuple[str, str, dict[str, int | str]]:
    """An event's severity (info, warning, error, critical), text, and fields by name."""
    entry = TEXTS.get(int(event.code), _UNKNOWN)
    fields = _names(event, entry)
    _derived(event, fields)
    return entry.severity, entry.text.format(**_readable(fields), code=int(event.code)), fields
