"""Percentiles of exact samples by nearest rank, so each is a value that was really measured.

The results of all benchmarks use them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fieldstack.bench.harness.errors import NoSamplesError


@dataclass(frozen=True, slots=True)
class Percentiles:
    """p50, p99, p99.9 and maximum of `count` samples, in the samples' unit.

    The nearest rank of share p among n samples is number ceil(p * n): with 50 samples p99 is the maximum.
    """

    count: int
    p50: float
    p99: float
    p999: float
    max: float

    @classmethod
    def of(cls, samples: Iterable[float], what: str = "a distribution") -> Percentiles:
        """Raises NoSamplesError, which names `what`, if there are none."""
        ordered = sorted(samples)
        if not ordered:
            raise NoSamplesError(what)
        p50, p99, p999 = (ordered[rank(len(ordered), share)] for share in (0.5, 0.99, 0.999))
        return cls(len(ordered), p50, p99, p999, ordered[-1])

    def to_json(self) -> dict[str, float | int]:
        return {
            "count": self.count,
            "p50": round(self.p50, 3),
            "p99": round(self.p99, 3),
            "p999": round(self.p999, 3),
            "max": round(self.max, 3),
        }


def rank(count: int, share: float) -> int:
    """Index of the nearest rank in `count` (> 0) ordered samples."""
    return max(0, math.ceil(share * count - 1e-9) - 1)


def microseconds(nanoseconds: Iterable[int], what: str) -> Percentiles:
    """Percentiles in µs of samples in ns."""
    return Percentiles.of((value / 1000 for value in nanoseconds), what)


def ratio(measured: float, reference: float) -> float:
    """`measured` / `reference`, rounded for people; 0.0 if there is no reference to divide by."""
    return round(measured / reference, 4) if reference else 0.0
