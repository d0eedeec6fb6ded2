"""Control charts: a robust EWMA for levels, a Bernoulli CUSUM for errors. Each learns its own baseline.

The predictor judges intervals with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fieldstack.prediction.median_scales import median
from fieldstack.prediction.signals import LevelSpec

LEARNING = 30
"""Intervals from which a baseline is learned."""
WEIGHT = 0.15
"""Of the newest interval in the EWMA."""
_LIMIT_SIGMA = 3.0
_WINSOR = 1.5
"""One interval counts for at most this many control limits: no single outlier, however large, alarms."""
_CLEAR = 0.5
_Z_90 = 1.2816
_USUAL = 0.35
"""Share of bad intervals from which on errors are usual."""
COUNTS = LevelSpec(logarithm=True, floor=0.5, shift=2.0)
_CUSUM_LIMIT = math.log(20_000)
"""By Lorden's bound (Ann. Math. Stat. 42 (1971)) more than 20,000 intervals between false alarms."""


@dataclass(slots=True)
class LevelChart:
    """EWMA of winsorised levels around a median learned at the beginning of the series' life.

    The control limit is three robust standard deviations of single intervals, not of their mean: real series
    are autocorrelated, and textbook limits would alarm. `alarmed` falls back at half the limit.
    """

    spec: LevelSpec
    learned: list[float] = field(default_factory=list)
    centre: float = 0.0
    limit: float = 0.0
    ewma: float = 0.0
    alarmed: bool = False

    @property
    def ready(self) -> bool:
        return self.limit > 0

    @property
    def score(self) -> float:
        """1.0: at the control limit."""
        return self.ewma / self.limit if self.ready else 0.0

    @property
    def baseline(self) -> float:
        return 2.0**self.centre if self.spec.logarithm else self.centre

    def add(self, value: float, limit: float) -> None:
        """Takes an interval's level; `limit` of the series, 0: none."""
        level = math.log2(max(value, 1e-9)) if self.spec.logarithm else value
        if not self.ready:
            self._learn(level)
            return
        offset = min(max(level - self.centre, -self.limit), _WINSOR * self.limit)
        self.ewma = max(0.0, (1 - WEIGHT) * self.ewma + WEIGHT * offset)
        if self.score >= 1 and value >= self.spec.min_share * limit:
            self.alarmed = True
        elif self.score < _CLEAR:
            self.alarmed = False

    def _learn(self, level: float) -> None:
        self.learned.append(level)
        if len(self.learned) < LEARNING:
            return
        ordered = sorted(self.learned)
        self.centre = median(ordered)
        spread = 1.4826 * median([abs(one - self.centre) for one in ordered])
        tail = (ordered[round(0.9 * (LEARNING - 1))] - self.centre) / _Z_90  # heavy tails widen the limit
        self.limit = max(_LIMIT_SIGMA * max(spread, tail, self.spec.floor), self.spec.shift)
        self.learned.clear()


@dataclass(slots=True)
class RateChart:
    """CUSUM of the log-likelihood ratio of intervals with errors (Reynolds and Stoumbos, J. Qual. Technol. 31
    (1999)): in control `p0`, out of control `p1`. How many errors an interval has does not count, so that one
    burst is one bad interval. `p0` is an upper bound of what was learned.

    Where errors are usual already while it learns, most intervals are bad and say nothing: there `counts`, a
    chart of how many they have (logarithm of 1 + errors), takes its place."""

    learned: list[float] = field(default_factory=list)
    counts: LevelChart | None = None
    p0: float = 0.0
    p1: float = 0.0
    cusum: float = 0.0
    recent: float = 0.0
    alarmed: bool = False

    @property
    def ready(self) -> bool:
        return self.p1 > 0 or self.counts is not None

    @property
    def score(self) -> float:
        return self.counts.score if self.counts else self.cusum / _CUSUM_LIMIT

    def add(self, errors: float) -> None:
        """Takes the number of errors of an interval."""
        bad = errors > 0
        if not self.ready:
            self._learn(errors)
            return
        if self.counts is not None:
            self.counts.add(1 + errors, 0)
            self.alarmed = self.counts.alarmed
            return
        self.recent = (1 - WEIGHT) * self.recent + WEIGHT * bad
        step = math.log(self.p1 / self.p0) if bad else math.log((1 - self.p1) / (1 - self.p0))
        self.cusum = min(max(0.0, self.cusum + step), 2 * _CUSUM_LIMIT)
        if self.score >= 1:
            self.alarmed = True
        elif self.cusum <= 0:
            self.alarmed = False

    def _learn(self, errors: float) -> None:
        self.learned.append(errors)
        if len(self.learned) < LEARNING:
            return
        bad = sum(one > 0 for one in self.learned)
        p0 = (bad + 1.5) / (LEARNING + 2)
        if p0 > _USUAL:
            self.counts = LevelChart(COUNTS)
            for one in self.learned:
                self.counts.add(1 + one, 0)
        else:
            self.p0, self.p1 = p0, min(0.95, 4 * p0 + 0.1)
            self.recent = bad / LEARNING
        self.learned.clear()
