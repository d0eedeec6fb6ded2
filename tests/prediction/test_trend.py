"""The robust trend and what is asked of it before it becomes a forecast."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.ha.probes.readings import Resource
from fieldstack.prediction.findings import Forecast, duration
from fieldstack.prediction.median_scales import RATIO, SCALES, WINDOW, MedianScales, Scale, median
from fieldstack.prediction.predictor import FORGET_NS, QUIET_NS, Predictor
from fieldstack.prediction.signals import Signal
from fieldstack.prediction.statistics import normal, robust_trend
from fieldstack.prediction.trend_forecast import Refusal, TimeToLimit, time_to_limit

SECOND = 1_000_000_000
MIB = 2**20
finite = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=30))
def test_the_median_has_as_many_values_below_as_above(values: list[float]) -> None:
    middle = median(values)
    assert 2 * sum(one < middle for one in values) <= len(values)
    assert 2 * sum(one > middle for one in values) <= len(values)


def test_each_scale_has_medians_of_three_of_the_scale_below() -> None:
    ladder = MedianScales()
    for t, value in enumerate((1, 9, 2, 5, 5, 500, 7, 8, 9)):
        ladder.add(float(t), value)
    assert list(ladder.scales[0].values) == [2, 5, 8]
    assert list(ladder.scales[0].times) == [1, 4, 7]
    assert list(ladder.scales[1].values) == [5]
    assert list(ladder.scales[1].times) == [4]


def test_memory_is_bounded_and_what_left_a_window_is_remembered_by_its_range() -> None:
    ladder = MedianScales()
    for t in range(RATIO**SCALES * 3):
        ladder.add(float(t), 1000.0 if 100 <= t < 120 else 5.0)
    assert all(len(scale.values) <= WINDOW for scale in ladder.scales)
    assert ladder.scales[0].past_high == 1000
    assert ladder.scales[0].past_range == 995


@given(st.floats(-100, 100), st.floats(-1000, 1000), st.lists(st.floats(0.1, 10), min_size=8, max_size=24))
def test_the_slope_of_a_line_is_the_lines(slope: float, start: float, gaps: list[float]) -> None:
    times = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    found = robust_trend(times, [start + slope * t for t in times])
    assert found.slope == pytest.approx(slope, abs=1e-6)
    assert found.slope_low <= found.slope <= found.slope_high
    assert found.level == pytest.approx(start + slope * times[-1], abs=1e-6)


def test_a_quarter_of_outliers_does_not_bend_the_slope() -> None:
    times = [float(i) for i in range(24)]
    values = [10 + 2 * t + (500 if i % 5 == 0 else 0) for i, t in enumerate(times)]
    assert robust_trend(times, values).slope == pytest.approx(2, rel=0.2)


def test_noise_without_a_trend_is_rarely_significant() -> None:
    generator = random.Random(3)
    times = [float(i) for i in range(24)]
    runs = [robust_trend(times, [generator.gauss(0, 1) for _ in times]).confidence for _ in range(400)]
    assert sum(one >= 0.99 for one in runs) <= 400 * 0.025


def test_residuals_that_remember_lower_the_confidence() -> None:
    times = [float(i) for i in range(24)]
    rough = [t + (4 if i % 2 else -4) for i, t in enumerate(times)]
    smooth = [t + (4 if i // 6 % 2 else -4) for i, t in enumerate(times)]
    assert robust_trend(times, smooth).confidence < robust_trend(times, rough).confidence


@pytest.mark.parametrize(("z", "share"), [(0.0, 0.5), (1.959964, 0.975), (-1.959964, 0.025)])
def test_the_normal_distribution(z: float, share: float) -> None:
    assert normal(z) == pytest.approx(share, abs=1e-6)


def window(value: Callable[[int], float], before: tuple[float, ...] = ()) -> Scale:
    """A full window of medians a second apart, after those before."""
    scale = Scale()
    series = (*before, *(value(i) for i in range(WINDOW)))
    for place, one in enumerate(series):
        for part in range(RATIO):
            scale.add(place + (part - 1) * 0.01, one)
    return scale


def noisy(place: int) -> float:
    return 0.2 * ((place * 7919) % 5 - 2)


@pytest.mark.parametrize(
    ("value", "before", "refusal"),
    [
        (lambda i: 100 + noisy(i), (), Refusal.FLAT),
        (lambda i: 100 - 5 * i, (), Refusal.FLAT),
        (lambda i: 100 + 1.5 * i, (), Refusal.FAR),
        (lambda i: 100 + noisy(i) + 200 * (i >= 12), (), Refusal.STEP),
        (lambda i: 100 + noisy(i) + 100 * (i // 8), (), Refusal.STEP),
        (lambda i: 430 - 330 * 0.93**i, (), Refusal.SLOWING),
        (lambda i: 100 + 10 * i + noisy(i), (400.0, 100.0), Refusal.SEEN_BEFORE),
        (lambda i: 450 + 10 * i, (), Refusal.AT_LIMIT),
    ],
)  # fmt: skip
def test_what_is_no_rise_to_the_limit(
    value: Callable[[int], float], before: tuple[float, ...], refusal: Refusal
) -> None:
    assert time_to_limit(window(value, before), 500) is refusal


def test_a_window_that_is_not_full_says_nothing() -> None:
    assert time_to_limit(Scale(), 500) is Refusal.YOUNG


def test_a_line_reaches_its_limit_when_it_does() -> None:
    found = time_to_limit(window(lambda i: 100 + 8 * i + noisy(i)), 500)
    assert isinstance(found, TimeToLimit)
    assert found.eta_s == pytest.approx((400 - 8 * 23) / 8, rel=0.05)
    assert found.eta_low_s <= found.eta_s <= found.eta_high_s


def test_a_rise_that_grows_is_not_taken_as_a_line() -> None:
    found = time_to_limit(window(lambda i: 100 + 0.3 * i * i), 600)
    assert isinstance(found, TimeToLimit)
    assert found.eta_s == pytest.approx((500 / 0.3) ** 0.5 - 23, rel=0.2)


def leak(until_s: int, per_s: float = 0.2, life: str = "1", start_s: int = 0) -> Iterator[tuple[int, Signal]]:
    for t in range(start_s, start_s + until_s):
        value = (100 + per_s * (t - start_s)) * MIB
        yield (
            t * SECOND,
            Signal(Resource.MEMORY, "fieldstack-core", value, 500 * MIB, "memory_limit_mb", life),
        )


def fed(*parts: Iterator[tuple[int, Signal]]) -> Predictor:
    predictor = Predictor()
    for part in parts:
        for now_ns, signal in part:
            predictor.feed(now_ns, signal)
    return predictor


def test_a_leak_is_told_as_people_say_it() -> None:
    (found,) = fed(leak(900)).forecasts()
    assert found.eta_s == pytest.approx(1100, rel=0.02)
    assert found.text.startswith("memory of fieldstack-core reaches its limit in 18 min (17 min to 18 min, ")
    assert "279 MiB of 500 MiB (memory_limit_mb)" in found.text
    assert found.eta_at(found.t_ns + 100 * SECOND) == pytest.approx(found.eta_s - 100)


def test_a_restart_begins_a_new_series() -> None:
    predictor = fed(leak(900), leak(100, per_s=0, life="2", start_s=900))
    assert predictor.forecasts() == ()


def test_a_leak_that_stops_is_no_longer_told() -> None:
    def flat() -> Iterator[tuple[int, Signal]]:
        for t in range(900, 2500):
            yield (
                t * SECOND,
                Signal(Resource.MEMORY, "fieldstack-core", 280 * MIB, 500 * MIB, "memory_limit_mb", "1"),
            )

    assert fed(leak(900), flat()).forecasts() == ()


def test_memory_that_is_given_back_ends_the_forecast_at_once() -> None:
    def fallen() -> Iterator[tuple[int, Signal]]:
        for t in range(900, 910):
            yield (
                t * SECOND,
                Signal(Resource.MEMORY, "fieldstack-core", 90 * MIB, 500 * MIB, "memory_limit_mb", "1"),
            )

    assert fed(leak(900)).forecasts()
    assert fed(leak(900), fallen()).forecasts() == ()


def test_only_the_first_tooth_of_a_large_saw_looks_like_a_leak() -> None:
    """A known limit: nothing tells a first tooth from a leak; what was seen once does not alarm again."""
    predictor, told = Predictor(), set[int]()
    for t in range(6000):
        value = (100 + 380 * (t % 600) / 600) * MIB
        predictor.feed(t * SECOND, Signal(Resource.MEMORY, "p", value, 500 * MIB, "test", "1"))
        if predictor.forecasts():
            told.add((t - 30) // 600)
    assert told == {0}


def test_of_a_series_that_says_nothing_nothing_is_forecast_until_it_speaks_again() -> None:
    predictor = fed(leak(900))
    predictor.review(899 * SECOND + QUIET_NS - 1)
    assert predictor.forecasts()
    predictor.review(899 * SECOND + QUIET_NS)
    assert predictor.forecasts() == ()
    for now_ns, signal in leak(1200):
        if now_ns >= 1100 * SECOND:  # the leak went on; a window that has the gap in it sees a step
            predictor.feed(now_ns, signal)
    (found,) = predictor.forecasts()
    assert found.eta_s == pytest.approx(800, rel=0.05)


def test_a_series_that_says_nothing_for_days_is_forgotten() -> None:
    predictor = fed(leak(900))
    predictor.review(899 * SECOND + FORGET_NS)
    assert predictor.series == {}


def test_a_series_without_a_limit_has_no_forecast() -> None:
    predictor = Predictor()
    for now_ns, signal in leak(900):
        predictor.feed(now_ns, Signal(signal.name, signal.subject, signal.value, 0, "", "1"))
    assert predictor.forecasts() == ()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (40, "40 s"), (99.4, "99 s"), (100, "2 min"), (2400, "40 min"), (7200, "2.0 h"),
     (90_000, "25 h"), (200_000, "2 d")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_forecast_as_json_has_its_text_at_that_time() -> None:
    found = Forecast("memory", "p", MIB, 2 * MIB, "test", 100.0, 90.0, 120.0, 0.995, 60.0, 0)
    data = found.to_json(50 * SECOND)
    assert data["seconds_to_limit"] == 50
    assert "in 50 s (40 s to 70 s, confidence 99.5 %)" in data["text"]
