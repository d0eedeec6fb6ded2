"""Says when outputs became safe and slaves came back, by the segment's own time stamps.

`run` and `incident` measure with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_ethercat.segment.truth import EventKind, SlaveEvent
from fieldstack_ethercat.wire.al import AlState

_SAFE = (EventKind.OUTPUTS_SAFE, EventKind.OUTPUTS_INVALID)


@dataclass(frozen=True, slots=True)
class SegmentBaseline:
    """The slaves just before a fault: their newest events, and which outputs were not safe then."""

    newest: tuple[int, ...]
    unsafe: frozenset[int]


def baseline(client: SegmentClient) -> SegmentBaseline:
    truth = client.truth()
    unsafe = frozenset(slave.position_in_chain for slave in truth if not slave.safe)
    return SegmentBaseline(tuple(slave.events for slave in truth), unsafe)


def events_since(client: SegmentClient, before: SegmentBaseline) -> dict[int, list[SlaveEvent]]:
    """Each slave's events since the mark, oldest first."""
    return {slave: client.events(slave, since) for slave, since in enumerate(before.newest)}


def outputs_safe_ns(
    events: Mapping[int, Sequence[SlaveEvent]], unsafe: Iterable[int], fault_ns: int
) -> int | None:
    """When the last of the slaves that were not safe became safe; None if one did not."""
    latest = fault_ns
    for slave in unsafe:
        stamps = [e.t_ns for e in events[slave] if e.kind in _SAFE and e.t_ns >= fault_ns]
        if not stamps:
            return None
        latest = max(latest, stamps[0])
    return latest


def back_in_op_ns(events: Mapping[int, Sequence[SlaveEvent]], fault_ns: int) -> int | None:
    """When the last slave came back to OP after the fault; None if one has not left it or not come back."""
    latest = fault_ns
    for found in events.values():
        changes = [e for e in found if e.kind is EventKind.AL_STATE and e.t_ns >= fault_ns]
        if not changes or changes[-1].a & 0x1F != AlState.OP:
            return None
        latest = max(latest, changes[-1].t_ns)
    return latest
