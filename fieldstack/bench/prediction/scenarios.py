"""Synthetic series for the prediction benchmark: leaks and drifts to find, and series that must not alarm.

`score` judges the predictor by them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from fieldstack.ha.probes.readings import Resource
from fieldstack.prediction.signals import Metric

MIN, HOUR = 60.0, 3600.0

Values = Callable[[float, random.Random], float]
"""The value at a time (s), with noise from the generator."""


class Expect(StrEnum):
    """`forecast`: found before the limit. `anomaly`: found after the onset. `nothing`: no finding at any
    time."""

    FORECAST = "forecast"
    ANOMALY = "anomaly"
    NOTHING = "nothing"


def _always(_t: float) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Scenario:
    """A series of `name` with its limit. `onset_s`: when the trouble begins; any earlier finding is false.

    `speaks`: whether the series has a value at that time; an axis that rests has none.
    """

    title: str
    name: str
    expect: Expect
    limit: float
    seconds: float
    values: Values
    onset_s: float = 0.0
    period_s: float = 1.0
    speaks: Callable[[float], bool] = _always


def _leak(to_limit_s: float, noise: float = 1.0, onset_s: float = 0.0) -> Values:
    """From 100 to 500 MiB."""
    return lambda t, r: 100 + 400 * max(0.0, t - onset_s) / to_limit_s + r.gauss(0, noise)


def _saw(period_s: float, low: float, high: float, jitter: float = 0.0) -> Values:
    """The sawtooth of a garbage collector: it rises in a line and falls at once; the peaks differ by
    `jitter`."""

    def value(t: float, r: random.Random) -> float:
        peak = 1 + jitter * math.sin(7.7 * (t // period_s))
        return low + (high - low) * peak * (t % period_s) / period_s + r.gauss(0, 1)

    return value


def _plus(one: Values, other: Values) -> Values:
    return lambda t, r: one(t, r) + other(t, r)


def _steps(*at: tuple[float, float], base: float = 100.0) -> Values:
    return lambda t, r: base + sum(size for when, size in at if t >= when) + r.gauss(0, 1)


def _approach(low: float, high: float, tau_s: float, noise: float) -> Values:
    return lambda t, r: high - (high - low) * math.exp(-t / tau_s) + r.gauss(0, noise)


def _wave(mean: float, size: float, period_s: float, noise: float) -> Values:
    return lambda t, r: mean + size * math.sin(2 * math.pi * t / period_s) + r.gauss(0, noise)


def _wandering(mean: float, spread: float, memory_s: float) -> Values:
    """Noise with memory (AR(1))."""
    state = [0.0]
    keep = math.exp(-1 / memory_s)

    def value(t: float, r: random.Random) -> float:
        state[0] = 0.0 if t == 0 else keep * state[0] + r.gauss(0, spread * math.sqrt(1 - keep * keep))
        return mean + state[0]

    return value


def _tail(base: float, growth_per_s: float = 0.0, times: float = 1.0, onset_s: float = 0.0) -> Values:
    """The 99.9th percentile of a latency: lognormal; from the onset on it grows, or is `times` as large."""

    def value(t: float, r: random.Random) -> float:
        late = t >= onset_s
        level = base * (times if late else 1.0) + growth_per_s * max(0.0, t - onset_s)
        return level * math.exp(r.gauss(0, 0.2))

    return value


def _bursts(base: float, share: float, factor: float) -> Values:
    return lambda _, r: base * math.exp(r.gauss(0, 0.2)) * (factor if r.random() < share else 1.0)


def _errors(before: float, after: float, onset_s: float, size: int = 1) -> Values:
    """Errors in an interval: `size`, with the given probabilities before and after the onset."""
    return lambda t, r: size * (r.random() < (after if t >= onset_s else before))


def _works(work_s: float, rest_s: float) -> Callable[[float], bool]:
    """Two levels in turn, as in a machine that people load by hand."""
    return lambda t: t % (work_s + rest_s) < work_s


_MEMORY, _FILES, _DISK = Resource.MEMORY, Resource.FILE_DESCRIPTORS, Resource.DISK
_WARM, _CPU = Resource.TEMPERATURE, Resource.CPU
_FORECAST, _ANOMALY, _NOTHING = Expect.FORECAST, Expect.ANOMALY, Expect.NOTHING
_TEN = 10.0
"""The period of a series of intervals."""
_PERIOD_NS = 1e6
_AFTER = 20 * MIN

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("memory, 10 min to the limit", _MEMORY, _FORECAST, 500, 2 * HOUR, _leak(10 * MIN)),
    Scenario("memory, 40 min to the limit", _MEMORY, _FORECAST, 500, 2 * HOUR, _leak(40 * MIN)),
    Scenario("memory, 6 h to the limit", _MEMORY, _FORECAST, 500, 9 * HOUR, _leak(6 * HOUR)),
    Scenario(
        "memory, 40 min, begins after 1 h",
        *(_MEMORY, _FORECAST, 500, 3 * HOUR, _leak(40 * MIN, onset_s=HOUR), HOUR),
    ),
    Scenario(
        "memory, under a garbage collector's saw",
        *(_MEMORY, _FORECAST, 500, 3 * HOUR, _plus(_leak(80 * MIN), _saw(2 * MIN, 0, 60))),
    ),
    Scenario(
        "memory, in arenas of 20 MiB",
        *(_MEMORY, _FORECAST, 500, 2 * HOUR, lambda t, r: 100 + 20 * (t // 120) + r.gauss(0, 0.2)),
    ),
    Scenario("memory, with noise of 40 MiB", _MEMORY, _FORECAST, 500, 2 * HOUR, _leak(HOUR, 40)),
    Scenario(
        "memory, faster and faster",
        *(_MEMORY, _FORECAST, 500, 2 * HOUR, lambda t, r: 100 + 400 * (t / HOUR) ** 2 + r.gauss(0, 1)),
    ),
    Scenario(
        "file descriptors, one a minute",
        *(_FILES, _FORECAST, 256, 5 * HOUR, lambda t, r: 30 + t // 60 + r.choice((0, 0, 1, 2))),
    ),
    Scenario(
        "disk, full in 3 h", _DISK, _FORECAST, 500, 4 * HOUR, _plus(_leak(3 * HOUR), _saw(10 * MIN, 0, 10))
    ),
    Scenario(
        "temperature, a fan has failed",
        *(_WARM, _FORECAST, 100, 3 * HOUR, lambda t, r: 55 + max(0, t - HOUR) * 45 / 1800 + r.gauss(0, 0.5)),
        *(HOUR,),
    ),
    Scenario(
        "wake-up latency drifts to the cycle time in 6 h",
        *(Metric.WAKE_TAIL, _FORECAST, _PERIOD_NS, 8 * HOUR, _tail(1e5, 9e5 / (6 * HOUR)), 0.0, _TEN),
    ),
    Scenario(
        "following error drifts to its limit in 6 h",
        *(Metric.FOLLOWING_ERROR, _FORECAST, 10_000, 8 * HOUR, _tail(500, 9500 / (6 * HOUR)), 0.0, _TEN),
    ),
    Scenario(
        "wake-up latency is four times as long",
        *(Metric.WAKE_TAIL, _ANOMALY, _PERIOD_NS, HOUR, _tail(8e4, times=4, onset_s=_AFTER), _AFTER, _TEN),
    ),
    Scenario(
        "exchange time is three times as long",
        *(Metric.EXCHANGE_TAIL, _ANOMALY, _PERIOD_NS, HOUR, _tail(9e4, times=3, onset_s=_AFTER)),
        *(_AFTER, _TEN),
    ),
    Scenario(
        "following error is three times as large",
        *(Metric.FOLLOWING_ERROR, _ANOMALY, 10_000, HOUR, _tail(400, times=3, onset_s=_AFTER), _AFTER, _TEN),
    ),
    Scenario(
        "following error is three times as large, of an axis that rests 80 s of 2 min",
        *(Metric.FOLLOWING_ERROR, _ANOMALY, 10_000, HOUR, _tail(400, times=3, onset_s=_AFTER), _AFTER, _TEN),
        speaks=_works(40, 80),
    ),
    Scenario(
        "following error drifts to five times, of an axis that rests 15 of 20 min",
        *(Metric.FOLLOWING_ERROR, _ANOMALY, 10_000, 24 * HOUR, _tail(400, 1600 / (20 * HOUR)), 0.0, _TEN),
        speaks=_works(5 * MIN, 15 * MIN),
    ),
    Scenario(
        "following error drifts to its limit in 6 h, of an axis that rests 5 of 10 min",
        *(Metric.FOLLOWING_ERROR, _FORECAST, 10_000, 8 * HOUR, _tail(500, 9500 / (6 * HOUR)), 0.0, _TEN),
        speaks=_works(5 * MIN, 5 * MIN),
    ),
    Scenario(
        "CRC errors in half of the intervals",
        *(Metric.RX_ERRORS, _ANOMALY, 0, HOUR, _errors(0, 0.5, _AFTER, 3), _AFTER, _TEN),
    ),
    Scenario(
        "working-counter errors in every third interval",
        *(Metric.WKC_ERRORS, _ANOMALY, 0, HOUR, _errors(0.01, 0.35, _AFTER), _AFTER, _TEN),
    ),
    Scenario(
        "CPU, from 10 % to 70 %",
        *(_CPU, _ANOMALY, 1, HOUR, lambda t, r: r.gauss(0.7 if t >= _AFTER else 0.1, 0.03), _AFTER, _TEN),
    ),
    Scenario("noise", _MEMORY, _NOTHING, 500, 12 * HOUR, lambda _, r: 300 + r.gauss(0, 30)),
    Scenario("one step", _MEMORY, _NOTHING, 500, 6 * HOUR, _steps((1000, 250))),
    Scenario("two steps", _MEMORY, _NOTHING, 500, 6 * HOUR, _steps((1000, 150), (1300, 150))),
    Scenario("three steps", _MEMORY, _NOTHING, 500, 6 * HOUR, _steps((1000, 110), (1200, 110), (1500, 110))),
    Scenario("a cache fills", _MEMORY, _NOTHING, 500, 6 * HOUR, _approach(100, 400, 300, 2)),
    Scenario("a slow start", _MEMORY, _NOTHING, 500, 12 * HOUR, _approach(50, 420, HOUR, 3)),
    Scenario("saw of 2 min", _MEMORY, _NOTHING, 500, 12 * HOUR, _saw(2 * MIN, 100, 250)),
    Scenario("saw of 10 min, uneven", _MEMORY, _NOTHING, 500, 12 * HOUR, _saw(617, 100, 280, 0.1)),
    Scenario("saw of 2 h", _MEMORY, _NOTHING, 500, 24 * HOUR, _saw(2 * HOUR, 100, 200)),
    Scenario("noise with a memory of 10 min", _MEMORY, _NOTHING, 500, 24 * HOUR, _wandering(300, 20, 600)),
    Scenario(
        "descriptors come and go",
        *(_FILES, _NOTHING, 256, 12 * HOUR, lambda t, r: 60 + 40 * (t % 900 < 300) + r.randrange(20)),
    ),
    Scenario("log files are rotated", _DISK, _NOTHING, 500, 24 * HOUR, _saw(5 * HOUR, 200, 330)),
    Scenario("a machine warms up", _WARM, _NOTHING, 100, 12 * HOUR, _approach(35, 80, 20 * MIN, 0.5)),
    Scenario("days of warm and cold", _WARM, _NOTHING, 100, 72 * HOUR, _wave(65, 12, 24 * HOUR, 0.7)),
    Scenario("shifts of 1 h", _WARM, _NOTHING, 100, 24 * HOUR, _wave(65, 12, HOUR, 0.7)),
    Scenario(
        "latency with bursts",
        *(Metric.WAKE_TAIL, _NOTHING, _PERIOD_NS, 24 * HOUR, _bursts(8e4, 0.05, 20), 0.0, _TEN),
    ),
    Scenario(
        "following error of varied motion",
        *(Metric.FOLLOWING_ERROR, _NOTHING, 10_000, 24 * HOUR),
        *(lambda t, r: r.uniform(100, 600) * (1 + (t % 1200 > 600)), 0.0, _TEN),
    ),
    Scenario(
        "following error of varied motion, of an axis that rests 8 of 10 min",
        *(Metric.FOLLOWING_ERROR, _NOTHING, 10_000, 24 * HOUR),
        *(lambda t, r: r.uniform(100, 600) * (1 + (t % 1200 > 600)), 0.0, _TEN),
        speaks=_works(2 * MIN, 8 * MIN),
    ),
    Scenario(
        "latency with bursts, of a cell that stands each second hour",
        *(Metric.WAKE_TAIL, _NOTHING, _PERIOD_NS, 24 * HOUR, _bursts(8e4, 0.05, 20), 0.0, _TEN),
        speaks=_works(HOUR, HOUR),
    ),
    Scenario(
        "one burst of 5000 CRC errors",
        *(Metric.RX_ERRORS, _NOTHING, 0, 24 * HOUR, lambda t, _: 5000 * (t == 2 * HOUR), 0.0, _TEN),
    ),
    Scenario(
        "a working-counter error now and then",
        *(Metric.WKC_ERRORS, _NOTHING, 0, 24 * HOUR, _errors(0.02, 0.02, 0), 0.0, _TEN),
    ),
    Scenario(
        "CPU of changing work",
        *(_CPU, _NOTHING, 1, 24 * HOUR, lambda t, r: r.gauss(0.2 + 0.1 * (t % 1800 > 900), 0.04), 0.0, _TEN),
    ),
)
