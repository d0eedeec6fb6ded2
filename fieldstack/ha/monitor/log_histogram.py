"""Histograms with logarithmic buckets: a few hundred bytes hold a year of observations.

Used by `process_history`, and by the health server's metrics.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

DURATION_BOUNDS = tuple(step * 10**power for power in range(-1, 5) for step in (1.0, 2.0, 5.0))
"""Upper bounds in ms: 0.1 ms to 50 s, three a decade; what is longer falls into the last bucket."""
COUNT_BOUNDS = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


class LogHistogram:
    """Counts by bucket: a value belongs to the first one whose upper bound it does not exceed."""

    def __init__(self, bounds: Sequence[float] = DURATION_BOUNDS) -> None:
        self.bounds = tuple(bounds)
        self.buckets = [0] * (len(self.bounds) + 1)
        self.sum = 0.0
        self.max = 0.0

    @property
    def count(self) -> int:
        return sum(self.buckets)

    def add(self, value: float) -> None:
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.sum += value
        self.max = max(self.max, value)

    def merge(self, other: LogHistogram) -> None:
        """Raises ValueError: the bounds are not the same."""
        if other.bounds != self.bounds:
            raise ValueError("histograms with other bounds cannot be merged")
        self.buckets = [mine + its for mine, its in zip(self.buckets, other.buckets, strict=True)]
        self.sum += other.sum
        self.max = max(self.max, other.max)

    def quantile(self, share: float) -> float:
        """Upper bound of the bucket below which `share` (0 to 1) of the values lie, at most the greatest."""
        wanted, seen = share * self.count, 0
        for bound, held in zip((*self.bounds, self.max), self.buckets, strict=True):
            seen += held
            if held and seen >= wanted:
                return min(bound, self.max)
        return 0.0

    def to_dict(self) -> dict[str, Any]:
        """`buckets` are (upper bound, count) of those that hold something; bound None: beyond the last."""
        bounds = (*self.bounds, None)
        held = [[bound, number] for bound, number in zip(bounds, self.buckets, strict=True) if number]
        return {
            "count": self.count,
            "sum": round(self.sum, 6),
            "max": self.max,
            "p50": self.quantile(0.5),
            "p99": self.quantile(0.99),
            "buckets": held,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], bounds: Sequence[float] = DURATION_BOUNDS) -> LogHistogram:
        """What `to_dict` gave. Raises ValueError, KeyError or TypeError: it is something else."""
        found = cls(bounds)
        places = {bound: place for place, bound in enumerate((*found.bounds, None))}
        for bound, number in data["buckets"]:
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise ValueError(f"a bucket holds {number!r}")
            found.buckets[places[bound]] = number
        found.sum, found.max = float(data["sum"]), float(data["max"])
        return found
