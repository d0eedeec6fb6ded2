"""What `fieldstack bench cycle` is asked to measure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fieldstack_rt._native import lib

SLICE_NS = 1_000_000_000
"""Load comes and goes in slices of this length, so that both states see the same machine."""
MARGIN_NS = 50_000_000
"""At each edge of a slice this much is left out: the load needs a moment to come and to go."""


class LoadKind(StrEnum):
    """What keeps the RT process's Python side busy."""

    NONE = "none"
    GIL = "gil"
    ACYCLIC = "acyclic"


class Reference(StrEnum):
    """How cyclictest takes part.

    `CONCURRENT`: in the same moments, half a period off. `INTERLEAVED`: alone on the machine, in turns.
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
        """Half a period off the cycle's phase: where cyclictest is put."""
        return (self.phase_ns + self.period_ns // 2) % self.period_ns

    @property
    def slice_s(self) -> float:
        """Length of RT's turn in each round: with load, as long again without."""
        conditions = 1 if self.load is LoadKind.NONE else 2
        margins = 1.0 if conditions == 1 else 1 / (1 - 2 * MARGIN_NS / SLICE_NS)
        return self.seconds / self.rounds * conditions * margins
