"""The log-linear histogram: every value lands in the bucket whose edges hold it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fieldstack_rt._native import ffi, lib


@given(st.integers(0, 2**31 - 1))
def test_a_value_lies_between_its_buckets_edges(value: int) -> None:
    histogram = ffi.new("fs_histogram *")
    lib.fs_histogram_add(histogram, value)
    bucket = next(i for i in range(1664) if histogram.bucket[i])
    low, high = lib.fs_histogram_edge(bucket), lib.fs_histogram_edge(bucket + 1)
    assert low <= value < high
    assert high - low <= max(1, value / 32)
    assert (histogram.count, histogram.sum_ns, histogram.max_ns) == (1, value, value)


def test_what_is_too_large_lands_in_the_last_bucket() -> None:
    histogram = ffi.new("fs_histogram *")
    lib.fs_histogram_add(histogram, 2**62)
    assert histogram.bucket[1663] == 1
