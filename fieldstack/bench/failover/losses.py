"""Finds what a fault has lost: compares the state before and after it, from outside.

`incident` uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from fieldstack.bench.failover.signs import rt_codes
from fieldstack.events.event import Event
from fieldstack.events.kinds import EventKind
from fieldstack_base import bounded_json
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore, TornRecordError


@dataclass(frozen=True, slots=True)
class Losses:
    """All 0: nothing was lost.

    `events`: numbers that are missing in the log, and events that the log reports as lost. `task_steps`: how
    far the task went back. `latches`: EMERGENCY_STOP sources that were set before and not after (without a
    reset). `positions`: starts of RT at which the axes were not where the checkpoint says. `restarts`: of RT
    and Core by a fault that was in neither.
    """

    events: int = 0
    task_steps: int = 0
    latches: int = 0
    positions: int = 0
    restarts: int = 0

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    @property
    def any(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))


def total(losses: Sequence[Losses]) -> Losses:
    return Losses(**{one.name: sum(getattr(loss, one.name) for loss in losses) for one in fields(Losses)})


def missing_events(events: Sequence[Event], since: int) -> int:
    """How many events after number `since` are lost; `events` are in the order of the log."""
    numbers = [event.sequence for event in events]
    gaps = (numbers[-1] - since - len(set(numbers))) if numbers else 0
    return gaps + sum(int(e.data.get("count", 0)) for e in events if e.kind == EventKind.LOG_LOST)


def positions_differed(events: Sequence[Event]) -> int:
    return rt_codes(events).count("positions_differ")


def task_step(store: DataStore) -> int:
    """The steps that Core's tasks have reached; -1: Core gives no number."""
    try:
        record = store.core_status()
        found = bounded_json.loads(bytes(ffi.buffer(record.task))[: int(record.task_size)])
        return int(found["step"])
    except (TornRecordError, ValueError, KeyError, TypeError):
        return -1
