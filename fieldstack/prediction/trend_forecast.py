"""Decides whether a window shows a rise that will reach the limit, and when; or says why it does not.

A rise counts if it passes these tests, the cheapest first:
- It goes on in both halves between the window's thirds, and uses at least 1 % of the limit.
- It would reach the limit within three windows: nobody can see further ahead than that.
- It does not slow down so that it ends below the limit (start-up, caches, allocators, warm-up).
- It is made of many small rises, not of a few steps.
- It goes beyond what the series has reached before (garbage collectors, waves, daily rhythms).
- It is significant by Mann and Kendall's test at 99 %, corrected for autocorrelation.

The predictor calls it for each new median.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from fieldstack.prediction.median_scales import Scale, median
from fieldstack.prediction.statistics import Trend, robust_trend

HORIZON = 3.0
"""How far ahead of a window its trend is believed, in windows."""
MIN_RISE = 0.01
"""Share of the limit that must be used up within the window."""
CONFIDENCE = 0.99
_STEPS = 4.5
"""Least effective number of rises among the window's 11: k equal steps count as k."""
_RECORD = 0.25
"""Share of the window's rise, and of the range of what was before, that must lie above what was before."""
_BENT = 0.7
"""A rise whose first half is less than this share of its second is taken as one that grows, not as a line."""
_UNEVEN = 0.25
"""A first half with less than this share of the second half's rise is a step that has just come."""


class Refusal(StrEnum):
    """Why a window gives no forecast."""

    YOUNG = "not enough history"
    AT_LIMIT = "the limit is reached"
    FLAT = "no rise"
    FAR = "the limit is further away than can be seen"
    STEP = "a step, not a trend"
    SLOWING = "it slows down and ends below the limit"
    SEEN_BEFORE = "it was as high before"
    UNCERTAIN = "not significant"


@dataclass(frozen=True, slots=True)
class TimeToLimit:
    """A trend with the time to the limit and its 95 % interval (s after the window's last median)."""

    trend: Trend
    floor: float
    """Where the rise began: who falls below it has given back all of it."""
    span_s: float
    eta_s: float
    eta_low_s: float
    eta_high_s: float


def time_to_limit(scale: Scale, limit: float) -> TimeToLimit | Refusal:
    """Time to `limit` (> 0) as this window sees it."""
    if not scale.full:
        return Refusal.YOUNG
    times, values = list(scale.times), list(scale.values)
    size = len(values) // 3
    thirds = [median(values[place : place + size]) for place in range(0, 3 * size, size)]
    refusal = _too_little(thirds, limit) or _not_steady(thirds, values, scale, limit)
    return refusal or _when(times, values, thirds, limit)


def _too_little(thirds: Sequence[float], limit: float) -> Refusal | None:
    first, second = thirds[1] - thirds[0], thirds[2] - thirds[1]
    rise = first + second
    if thirds[2] >= limit:
        return Refusal.AT_LIMIT
    if first <= 0 or second <= 0 or rise < MIN_RISE * limit:
        return Refusal.FLAT
    if thirds[2] + second * 3 * HORIZON < limit:
        return Refusal.FAR
    return None


def _not_steady(
    thirds: Sequence[float], values: Sequence[float], scale: Scale, limit: float
) -> Refusal | None:
    first, second = thirds[1] - thirds[0], thirds[2] - thirds[1]
    if first < _UNEVEN * second or _effective_rises(values) < _STEPS:
        return Refusal.STEP
    if _thirds_until(limit - thirds[2], first, second) > 3 * HORIZON:
        return Refusal.SLOWING
    if thirds[2] < scale.past_high + _RECORD * max(first + second, scale.past_range):
        return Refusal.SEEN_BEFORE
    return None


def _thirds_until(rest: float, first: float, second: float) -> float:
    """How many thirds of the window until `rest` more is used: a rise that slows down goes on in the same
    ratio, one that grows goes on to grow by as much."""
    ratio = second / first
    if ratio >= 1:
        return _growing(rest, second, second - first)
    part = 1 - rest * (1 - ratio) / (second * ratio)
    return math.log(part) / math.log(ratio) if part > 0 else math.inf


def _growing(rest: float, rise: float, growth: float) -> float:
    """k with `rise * k + growth * k * (k + 1) / 2 = rest`."""
    if growth < 1e-9 * rise:
        return rest / rise
    linear = rise + growth / 2
    return (math.sqrt(linear * linear + 2 * growth * rest) - linear) / growth


def _effective_rises(values: Sequence[float]) -> float:
    """The participation ratio of the changes between the window's pairs: 11 for a line, k for k steps."""
    pairs = [(a + b) / 2 for a, b in zip(values[::2], values[1::2], strict=True)]
    changes = [abs(b - a) for a, b in pairwise(pairs)]
    return sum(changes) ** 2 / sum(one * one for one in changes)


def _when(
    times: Sequence[float], values: Sequence[float], thirds: Sequence[float], limit: float
) -> TimeToLimit | Refusal:
    trend = robust_trend(times, values)
    if trend.confidence < CONFIDENCE or trend.slope_low <= 0:
        return Refusal.UNCERTAIN
    span = times[-1] - times[0]
    rest = max(0.0, limit - trend.level)
    first, second = thirds[1] - thirds[0], thirds[2] - thirds[1]
    bent = max(0.0, _thirds_until(limit - thirds[2], first, second) - 0.5) * span / 3
    straight = rest / trend.slope
    eta = bent if first < _BENT * second else straight
    soonest, latest = min(rest / trend.slope_high, bent, eta), max(rest / trend.slope_low, bent, eta)
    return TimeToLimit(trend, thirds[0], span, eta, soonest, latest)
