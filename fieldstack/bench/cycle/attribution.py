"""Decides which lost and late cycles the machine itself caused; `bench cycle` uses it.

It knows this from witnesses, which have no part in the cell. A witness is a thread that only sleeps and reads
the clock, at a higher priority than everything in the cell. If the witness woke late around a fault, too, no
task had taken its CPU: the cause was the hypervisor or the kernel.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fieldstack.bench.harness.samples import CycleSample
from fieldstack.bench.harness.wakes import Wake

STALL_NS = 150_000
"""A witness that woke this late was stalled. The time is well above its p99.9 on a machine that runs freely.
"""
REACH_NS = 500_000
"""A stall may have begun this long before the witness saw it, and ended this long after: its own period."""


class Cause(StrEnum):
    """The cause of a faulty cycle. Only `UNEXPLAINED` can be the cell's own fault."""

    STALL = "machine stalled"
    STEAL = "hypervisor took the CPU"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Stall:
    """A stretch of time in which a CPU ran nothing, as its witness saw it."""

    cpu: int
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class StealRise:
    """The hypervisor took `us` of a CPU between two readings of /proc/stat."""

    cpu: int
    begin_ns: int
    end_ns: int
    us: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A cycle that was late or whose frame was lost, from its due time to the end of its exchange."""

    cycle: int
    begin_ns: int
    end_ns: int
    kinds: tuple[str, ...]
    cause: Cause
    detail: str

    def to_json(self) -> dict[str, Any]:
        return {
            "cycle": self.cycle,
            "t_ns": self.begin_ns,
            "us": (self.end_ns - self.begin_ns) // 1000,
            "kinds": list(self.kinds),
            "cause": str(self.cause),
            "detail": self.detail,
        }


def stalls(cpu: int, wakes: Iterable[Wake]) -> list[Stall]:
    """The stalls that a witness's wake-ups show, in order of time."""
    return [Stall(cpu, due, due + late) for due, late in wakes if late >= STALL_NS]


def explain(
    samples: Iterable[CycleSample], seen: Sequence[Stall], steals: Sequence[StealRise]
) -> list[Fault]:
    """A fault for each sample that was late or lost, with its cause as far as the witnesses know it."""
    ordered = sorted(seen, key=lambda stall: stall.end_ns)
    return [_attribute(sample, ordered, steals) for sample in samples if sample.lost or sample.late]


def count(faults: Iterable[Fault]) -> dict[str, int]:
    """How many faults each cause has; every cause is named."""
    counted = Counter(fault.cause for fault in faults)
    return {str(cause): counted[cause] for cause in Cause}


def _attribute(sample: CycleSample, ordered: Sequence[Stall], steals: Sequence[StealRise]) -> Fault:
    begin, end = sample.due_ns, sample.due_ns + sample.wake_ns + sample.exchange_ns
    kinds = tuple(name for name, is_so in (("late", sample.late), ("lost", sample.lost)) if is_so)
    place = bisect_left(ordered, begin - REACH_NS, key=lambda stall: stall.end_ns)
    for stall in ordered[place:]:
        if stall.begin_ns - REACH_NS <= end:
            detail = (
                f"CPU {stall.cpu} stood still for {(stall.end_ns - stall.begin_ns) / 1000:.0f} µs or more"
            )
            return Fault(sample.cycle, begin, end, kinds, Cause.STALL, detail)
    for steal in steals:
        if steal.begin_ns <= end and begin <= steal.end_ns:
            detail = f"{steal.us} µs of CPU {steal.cpu}"
            return Fault(sample.cycle, begin, end, kinds, Cause.STEAL, detail)
    return Fault(sample.cycle, begin, end, kinds, Cause.UNEXPLAINED, "")
