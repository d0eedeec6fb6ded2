"""Percentiles of the cycle's log-linear histograms (`fs_histogram` in layout.h).

Snapshots show them; the prediction learns from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldstack_rt._native import lib


@dataclass(frozen=True, slots=True)
class Latency:
    """A distribution in microseconds; `count` 0: nothing was measured yet, and the rest is 0."""

    count: int
    mean_us: float
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float


def latency(histogram: Any) -> Latency:
    """The distribution in an `fs_histogram`, which may grow while it is read."""
    buckets = list(histogram.bucket)
    total, count = int(histogram.sum_ns), sum(buckets)
    if count == 0:
        return Latency(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    p50, p99, p999 = (percentile_ns(buckets, count, share) / 1000 for share in (0.5, 0.99, 0.999))
    return Latency(count, total / count / 1000, p50, p99, p999, int(histogram.max_ns) / 1000)


def percentile_ns(buckets: Sequence[int], count: int, share: float) -> float:
    """The value below which `share` (0 to 1) of `count` values lie: middle of the bucket that holds it."""
    wanted, seen = share * count, 0
    for number, held in enumerate(buckets):
        seen += held
        if held and seen >= wanted:
            return (int(lib.fs_histogram_edge(number)) + int(lib.fs_histogram_edge(number + 1))) / 2
    return float(lib.fs_histogram_edge(len(buckets) - 1))
