"""The witnesses of a benchmark: one bare timer loop on each CPU, and the hypervisor's stolen time.

The run starts them, and `attribution` judges by them.
"""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Any

from fieldstack.bench.cycle.attribution import Stall, StealRise, stalls
from fieldstack.bench.cycle.bare_loop import BareLoop, LoopSetup
from fieldstack.bench.harness import machine
from fieldstack.bench.harness.wakes import Wake

PRIORITY = 95
"""Higher than everything in the cell: only the machine itself can delay a witness."""
SHARE = 0.65
"""A witness wakes after this share of the time from the cycle to cyclictest, and of the time back."""


class Witnesses:
    """Runs as a context manager; its readings stay available afterwards. `cpus`: where to watch.

    Each witness wakes twice in each period of the cycle, neither when the cycle begins nor half a period
    later.
    """

    def __init__(self, cpus: tuple[int, ...], period_ns: int, phase_ns: int, seconds: float) -> None:
        half_ns = period_ns // 2
        setup = (PRIORITY, half_ns, int(phase_ns + half_ns * SHARE) % half_ns)
        self._loops = {cpu: BareLoop(LoopSetup(cpu, *setup), seconds) for cpu in cpus}
        self._steal = machine.steal_us()
        self._looked_ns = time.monotonic_ns()
        self._first_steal = self._steal
        self.steals: list[StealRise] = []

    def __enter__(self) -> Witnesses:
        for loop in self._loops.values():
            loop.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for loop in self._loops.values():
            loop.stop()
        self.read_steal()

    def read_steal(self) -> None:
        """Reads the time that the hypervisor took; call it a few times a second."""
        now_ns, steal = time.monotonic_ns(), machine.steal_us()
        for cpu, us in machine.taken(self._steal, steal).items():
            if us > 0:
                self.steals.append(StealRise(cpu, self._looked_ns, now_ns, us))
        self._steal, self._looked_ns = steal, now_ns

    def wakes(self) -> dict[int, list[Wake]]:
        """Each CPU's witness, its wake-ups so far."""
        return {cpu: loop.wakes() for cpu, loop in self._loops.items()}

    def stalls(self) -> list[Stall]:
        return [stall for cpu, wakes in self.wakes().items() for stall in stalls(cpu, wakes)]

    def stolen_us(self) -> dict[int, int]:
        """Per CPU, over the whole run."""
        return machine.taken(self._first_steal, self._steal)

    def to_json(self) -> dict[str, Any]:
        found = self.stalls()
        return {
            "steal_us": {str(cpu): us for cpu, us in self.stolen_us().items()},
            "stalls": {str(cpu): sum(stall.cpu == cpu for stall in found) for cpu in self._loops},
            "longest_stall_us": max((stall.end_ns - stall.begin_ns for stall in found), default=0) // 1000,
        }


def both_sides(cycle_cpu: int, other_cpu: int) -> tuple[int, ...]:
    """The cycle's CPU and the segment's, as far as this process may use them."""
    allowed = os.sched_getaffinity(0)
    return tuple(sorted({cpu for cpu in (cycle_cpu, other_cpu) if cpu in allowed}))
