"""Windows: the mean and the growth over the last so many milliseconds, at any rate of readings."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.ha.policy import parse_policy
from fieldstack.ha.policy.in_force.windows import BUCKETS, Samples, windowed_value
from tests.ha.script import SHIPPED

POLICY = parse_policy(json.dumps(json.loads(SHIPPED.read_text(encoding="utf-8"))))
MEAN = POLICY.table.rows["memory-high"]  # over 10 s
GROWTH = POLICY.table.rows["slave-rx-errors"]  # within 60 s
S = 10**9


def last(row: object, readings: list[tuple[int, float]]) -> float | None:
    samples: Samples = ()
    value: float | None = None
    for at_ns, reading in readings:
        samples, value = windowed_value(row, samples, at_ns, reading)  # type: ignore[arg-type]
        assert len(samples) <= BUCKETS + 2
    return value


def test_a_mean_is_judged_once_its_window_is_full() -> None:
    assert last(MEAN, [(at * S // 10, 1.0) for at in range(99)]) is None
    assert last(MEAN, [(at * S // 10, 1.0) for at in range(101)]) == 1.0


@pytest.mark.parametrize("gap_ms", [20, 2000, 2020, 7000, 30_000])
def test_rare_readings_fill_a_window_too(gap_ms: int) -> None:
    before = [(at * gap_ms * 10**6, 1.0) for at in range(max(200, 12_000 // gap_ms))]
    end = before[-1][0]
    after = [(end + at * gap_ms * 10**6, 0.0) for at in range(1, 3 + 12_000 // gap_ms)]
    assert last(MEAN, before) == 1.0
    found = last(MEAN, before + after)
    assert found is not None
    assert found < 0.2 or gap_ms > 10_000


def test_a_spike_is_not_the_mean() -> None:
    readings = [(at * S // 10, 0.1) for at in range(200)]
    readings += [(readings[-1][0] + S // 50, 1.0)]
    found = last(MEAN, readings)
    assert found is not None
    assert found < 0.2


def test_growth_is_what_came_within_the_window() -> None:
    assert last(GROWTH, [(at * S, 10.0 * at) for at in range(200)]) == pytest.approx(600, abs=45)
    assert last(GROWTH, [(0, 9000.0), (S, 9000.0)]) == 0


def test_a_counter_that_begins_anew_grew_from_nothing() -> None:
    assert last(GROWTH, [(0, 9000.0), (S, 7.0)]) == 7.0


def test_nobody_knows_when_a_counter_grew_that_was_not_read_for_long() -> None:
    assert last(GROWTH, [(0, 0.0), (500 * S, 1000.0)]) == 0.0
    assert last(GROWTH, [(0, 0.0), (500 * S, 1000.0), (501 * S, 1030.0)]) == 30.0


@given(st.lists(st.tuples(st.integers(1, 90 * S), st.floats(0, 1e6)), min_size=1, max_size=80))
def test_a_mean_is_between_its_readings(steps: list[tuple[int, float]]) -> None:
    at_ns, readings = 0, []
    for step_ns, value in steps:
        at_ns += step_ns
        readings.append((at_ns, value))
    found = last(MEAN, readings)
    values = [value for _, value in readings]
    assert found is None or min(values) - 1e-6 <= found <= max(values) * (1 + 1e-9) + 1e-6
