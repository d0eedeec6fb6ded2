"""Percentiles by nearest rank."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.bench.harness.errors import NoSamplesError
from fieldstack.bench.harness.percentiles import Percentiles, microseconds, ratio

VALUES = st.lists(st.floats(0, 1e9, allow_nan=False), min_size=1, max_size=300)


@given(VALUES)
def test_each_is_a_value_that_was_measured_and_they_are_in_order(values: list[float]) -> None:
    found = Percentiles.of(values)
    for value in (found.p50, found.p99, found.p999, found.max):
        assert value in values
    assert found.p50 <= found.p99 <= found.p999 <= found.max == max(values)
    assert found.count == len(values)


@given(VALUES)
def test_at_most_the_share_lies_above(values: list[float]) -> None:
    found = Percentiles.of(values)
    for value, share in ((found.p50, 0.5), (found.p99, 0.99), (found.p999, 0.999)):
        assert sum(other > value for other in values) <= (1 - share) * len(values) + 1e-6


def test_known_ranks() -> None:
    found = Percentiles.of(range(1, 1001))
    assert (found.p50, found.p99, found.p999, found.max) == (500, 990, 999, 1000)


def test_of_fifty_runs_p99_is_the_worst() -> None:
    assert Percentiles.of(range(50)).p99 == 49


def test_nothing_measured_is_an_error_that_names_it() -> None:
    with pytest.raises(NoSamplesError, match="the cycle's wake-up"):
        microseconds([], "the cycle's wake-up")


def test_units_and_ratio() -> None:
    assert microseconds([1500], "x").max == 1.5
    assert ratio(3, 2) == 1.5
    assert ratio(3, 0) == 0.0
