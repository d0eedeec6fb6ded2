"""The results of the failover benchmark: distributions, unsafe runs, recovery step by step, bounds.

`command` makes and shows them.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldstack.bench.failover.faults import FaultKind
from fieldstack.bench.failover.run import Failover
from fieldstack.bench.harness.bringup_reference import BringupReference
from fieldstack.bench.harness.checks import Check
from fieldstack.bench.harness.percentiles import Percentiles, ratio

CRASH_SAFE_FRAME_P50_US = 300.0
CRASH_SAFE_FRAME_P99_US = 2000.0
HANG_SAFE_FRAME_P99_US = 8000.0
BACK_FACTOR = 1.5


@dataclass(frozen=True, slots=True)
class FailoverResult:
    """`bound_ns`: how long after the fault outputs may be unsafe."""

    kind: FaultKind
    bound_ns: int
    runs: tuple[Failover, ...]
    reference: BringupReference

    def _us(self, name: str) -> Percentiles:
        found = (getattr(run, name) for run in self.runs)
        return Percentiles.of((value / 1000 for value in found if value is not None), name)

    def _ms(self, name: str) -> Percentiles:
        return Percentiles.of((getattr(run, name) / 1e6 for run in self.runs), name)

    @property
    def detect_us(self) -> Percentiles:
        return self._us("detect_ns")

    @property
    def safe_frame_us(self) -> Percentiles:
        return self._us("safe_frame_ns")

    @property
    def outputs_safe_us(self) -> Percentiles:
        return self._us("outputs_safe_ns")

    @property
    def back_in_op_ms(self) -> Percentiles:
        return self._ms("back_in_op_ns")

    @property
    def moving_again_ms(self) -> Percentiles:
        return self._ms("moving_again_ns")

    @property
    def reference_bringup_ms(self) -> Percentiles:
        return Percentiles.of((value / 1e6 for value in self.reference.bringup_ns), "bare bring-up")

    @property
    def reference_interpreter_ms(self) -> Percentiles:
        return Percentiles.of((value / 1e6 for value in self.reference.interpreter_ns), "an interpreter")

    @property
    def unsafe(self) -> int:
        """Runs in which not all outputs were safe within the bound, as the slaves saw it."""
        return sum(run.outputs_safe_ns is None or run.outputs_safe_ns > self.bound_ns for run in self.runs)

    @property
    def unguarded(self) -> int:
        """Runs without the guard's time stamps."""
        return sum(run.safe_frame_ns is None for run in self.runs)

    @property
    def tripped_again(self) -> int:
        """Runs in which the guard tripped more than once."""
        return sum(run.trips > 1 for run in self.runs)

    @property
    def ended_by_a_word(self) -> int:
        """Runs in which a stray word alone ended RT."""
        return sum(not run.stayed for run in self.runs)

    def steps_ms(self) -> dict[str, Percentiles]:
        """Times since the fault, in the order of the steps."""
        names = list(dict.fromkeys(name for run in self.runs for name in run.steps_ns))
        found = {name: [r.steps_ns[name] / 1e6 for r in self.runs if name in r.steps_ns] for name in names}
        return {name: Percentiles.of(values, name) for name, values in found.items()}

    def reference_phases_ms(self) -> dict[str, float]:
        """Medians of the bare bring-up's phases."""
        return {name: round(statistics.median(v) / 1e6, 3) for name, v in self.reference.phases_ns.items()}

    def checks(self) -> list[Check]:
        safe = self.safe_frame_us
        allowed_ms = BACK_FACTOR * (self.reference_bringup_ms.p50 + self.reference_interpreter_ms.p50)
        found = [Check("unsafe runs", self.unsafe, 0), Check("runs without the guard", self.unguarded, 0)]
        if self.kind is FaultKind.STRAY_WORD:
            found.append(Check("RT ended by a stray word", self.ended_by_a_word, 0))
        if self.kind.is_crash:
            found.append(Check("safe frame p50", round(safe.p50, 1), CRASH_SAFE_FRAME_P50_US, "µs"))
            found.append(Check("safe frame p99", round(safe.p99, 1), CRASH_SAFE_FRAME_P99_US, "µs"))
        else:
            found.append(Check("safe frame p99", round(safe.p99, 1), HANG_SAFE_FRAME_P99_US, "µs"))
        found += self._memory_checks()
        back = round(self.back_in_op_ms.p50, 1)
        found.append(Check("back in OP p50", back, round(allowed_ms, 1), "ms"))
        return found

    def _memory_checks(self) -> list[Check]:
        """Under memory pressure: all memory that the guard uses was there when the fault came."""
        pressed = [run.pressed for run in self.runs if run.pressed is not None]
        if not pressed:
            return []
        return [Check("guard's memory missing", max(one.missing_kb for one in pressed), 0, "KiB")]

    def to_json(self) -> dict[str, Any]:
        named = ["detect_us", "safe_frame_us", "outputs_safe_us", "back_in_op_ms", "moving_again_ms"]
        named += ["reference_bringup_ms", "reference_interpreter_ms"]
        reference = self.reference_bringup_ms.p50 + self.reference_interpreter_ms.p50
        return {
            "fault": self.kind.value,
            "runs": len(self.runs),
            "unsafe": self.unsafe,
            "tripped_again": self.tripped_again,
            "bound_us": self.bound_ns // 1000,
            **{name: getattr(self, name).to_json() for name in named},
            "ratios": {"back_in_op_p50": ratio(self.back_in_op_ms.p50, reference)},
            "checks": [check.to_json() for check in self.checks()],
            "steps_ms": {name: found.to_json() for name, found in self.steps_ms().items()},
            "reference_phases_ms": self.reference_phases_ms(),
            "each": [run.to_json() for run in self.runs],
        }


def blocks(runs: int, size: int) -> Sequence[int]:
    """How many runs each block has, for `runs` in blocks of at most `size`."""
    full, rest = divmod(runs, size)
    return [size] * full + ([rest] if rest else [])
