"""The last 24 medians of a series on several time scales, in fixed memory.

The predictor keeps them for each series, and `trend_forecast` judges each scale. Scale 0 holds medians of 3
samples each, every further scale medians of 3 medians of the scale below (the remedian of Rousseeuw and
Bassett, J. Am. Stat. Assoc. 85 (1990)): at one sample a second the windows are 72 s, 3.6 min, 11 min, 32 min,
1.6 h, 4.9 h and 15 h long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

RATIO = 3
WINDOW = 24
SCALES = 7


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


class Scale:
    """One window. `past_high` and `past_low`: of the medians that have left it, so of all before it."""

    __slots__ = ("open", "past_high", "past_low", "times", "values")

    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=WINDOW)
        self.values: deque[float] = deque(maxlen=WINDOW)
        self.past_high, self.past_low = float("-inf"), float("inf")
        self.open: tuple[list[float], list[float]] = ([], [])
        """Times and values of the next median."""

    @property
    def past_range(self) -> float:
        """How far the series went up and down before this window; 0: there was nothing before."""
        return max(0.0, self.past_high - self.past_low)

    @property
    def full(self) -> bool:
        return len(self.values) == WINDOW

    def add(self, t_s: float, value: float) -> tuple[float, float] | None:
        """Takes a sample; with every third one returns the median that has become its last."""
        times, values = self.open
        times.append(t_s)
        values.append(value)
        if len(values) < RATIO:
            return None
        bucket = (sum(times) / RATIO, median(values))
        self.open = ([], [])
        if self.full:
            self.past_high = max(self.past_high, self.values[0])
            self.past_low = min(self.past_low, self.values[0])
        self.times.append(bucket[0])
        self.values.append(bucket[1])
        return bucket


class MedianScales:
    """All scales of one series. Times in s, increasing; gaps are allowed."""

    def __init__(self, scales: int = SCALES) -> None:
        self.scales = tuple(Scale() for _ in range(scales))

    def add(self, t_s: float, value: float) -> int:
        """Takes a sample; returns how many scales, from 0 on, have got a new median."""
        t, median_ = t_s, value
        for number, scale in enumerate(self.scales):
            bucket = scale.add(t, median_)
            if bucket is None:
                return number
            t, median_ = bucket
        return len(self.scales)
