"""The options of `fieldstack bench cycle`: what it measures, and for how long.

The command line fills them; the run and its result read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fieldstack_rt._native import lib

SLICE_NS = 1_000_000_000
"""The load is on and off in slices of this length in turn, so that both conditions see the same machine."""
MARGIN_NS = 50_000_000
"""This much is left out at each edge of a slice: the load needs a moment to start and to stop."""


class LoadKind(StrEnum):
    """What keeps the RT process's Python side busy."""

    NONE = "none"
    GIL = "gil"
    ACYCLIC = "acyclic"


class Reference(StrEnum):
    """When cyclictest runs.

    `CONCURRENT`: at the same time, half a period later. `INTERLEAVED`: alone on the machine, in turns.
    """

    CONCURRENT = "concurrent"
    INTERLEAVED = "interleaved"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class CycleOptions:
    """`seconds`: measured time of each condition, spread over `rounds`. `interface` empty: a virtual segment.

    `bare_seconds`: of each of the two bare loops, spread likewise; 0 leaves them out.
    """

    seconds: float
    load: LoadKind = LoadKind.NONE
    reference: Reference = Reference.CONCURRENT
    rounds: int = 4
    bare_seconds: float = 8.0
    devices: str = "drive*4,dio"
    interface: str = ""
    cycle_us: int = 1000
    cpu: int = 1
    priority: int = 80
    other_cpu: int = 0

    @property
    def period_ns(self) -> int:
        return self.cycle_us * 1000

    @property
    def phase_ns(self) -> int:
        """When in a period of CLOCK_MONOTONIC the cycle begins."""
        return self.period_ns // 8 * int(lib.FS_CYCLE_PHASE_EIGHTHS)

    @property
    def opposite_phase_ns(self) -> int:
        """Half a period after the cycle's phase: when cyclictest wakes."""
        return (self.phase_ns + self.period_ns // 2) % self.period_ns

    @property
    def slice_s(self) -> float:
        """The length of RT's turn in each round. With load, it takes as long again without load."""
        conditions = 1 if self.load is LoadKind.NONE else 2
        margins = 1.0 if conditions == 1 else 1 / (1 - 2 * MARGIN_NS / SLICE_NS)
        return self.seconds / self.rounds * conditions * margins
