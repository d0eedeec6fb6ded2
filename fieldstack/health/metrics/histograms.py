"""Turns the cycle's native histograms into ones with Prometheus' buckets, for the metrics of the bus.

The native ones are log-linear with 64 buckets an octave, so 1 us times a power of two is always one of their
edges: nothing is estimated. (A value of exactly an edge counts to the bucket above it.)
"""

from __future__ import annotations

from functools import cache
from typing import Any

from prometheus_client.core import HistogramMetricFamily

from fieldstack_rt._native import ffi, lib

EDGES_NS = tuple(1000 << power for power in range(18))
"""1 us to 131 ms."""


@cache
def _ends(size: int) -> tuple[int, ...]:
    """For each edge: how many native buckets lie below it."""
    edges = [int(lib.fs_histogram_edge(number + 1)) for number in range(size)]
    return tuple(sum(edge <= limit for edge in edges) for limit in EDGES_NS)


def cumulative(counts: list[int]) -> tuple[int, ...]:
    """Values at or below each of EDGES_NS, from the counts of an `fs_histogram`'s buckets."""
    return tuple(sum(counts[:end]) for end in _ends(len(counts)))


def family(name: str, text: str, histogram: Any) -> HistogramMetricFamily:
    """A Prometheus histogram in seconds of an `fs_histogram`, which may grow while it is read."""
    total_s = int(histogram.sum_ns) / 1e9
    counts = list(ffi.unpack(histogram.bucket, len(histogram.bucket)))
    below = cumulative(counts)
    buckets = [(f"{edge / 1e9:.9g}", count) for edge, count in zip(EDGES_NS, below, strict=True)]
    buckets.append(("+Inf", sum(counts)))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=total_s)
