"""Gives a scenario to the predictor and scores the findings: hits, lead times, misses, false alarms.

`command` and `leaks` use it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fieldstack.bench.prediction.scenarios import Expect, Scenario
from fieldstack.prediction.median_scales import median
from fieldstack.prediction.predictor import Predictor
from fieldstack.prediction.signals import SPECS, Signal


@dataclass(frozen=True, slots=True)
class Score:
    """One run of one scenario. Times in s.

    `reached_s`: when the limit was reached (for intervals: by the median of five). `found_s`: when the first
    correct finding came. `false_text`: the first false finding. `eta_error`: of the first forecast, as a
    share of the time that was really left.
    """

    title: str
    expect: Expect
    onset_s: float
    reached_s: float | None = None
    found_s: float | None = None
    eta_error: float | None = None
    false_text: str = ""

    @property
    def hit(self) -> bool:
        return self.found_s is not None

    @property
    def missed(self) -> bool:
        return self.expect is not Expect.NOTHING and not self.hit

    @property
    def lead_s(self) -> float | None:
        """The time from the forecast to the limit."""
        if self.found_s is None or self.reached_s is None:
            return None
        return self.reached_s - self.found_s

    @property
    def lead_share(self) -> float | None:
        """The lead as a share of the time from the onset to the limit."""
        if self.lead_s is None or self.reached_s is None:
            return None
        return self.lead_s / (self.reached_s - self.onset_s)

    @property
    def delay_s(self) -> float | None:
        """The time from the onset to the finding."""
        return None if self.found_s is None else self.found_s - self.onset_s

    def to_json(self) -> dict[str, Any]:
        names = ("reached_s", "found_s", "lead_s", "lead_share", "delay_s", "eta_error")
        numbers = {name: value for name in names if (value := getattr(self, name)) is not None}
        found = {name: round(value, 3) for name, value in numbers.items()}
        false = {"false_alarm": self.false_text} if self.false_text else {}
        return {"title": self.title, "expect": self.expect, "hit": self.hit, **found, **false}


def play(scenario: Scenario, seed: int) -> Score:
    """Until the limit is reached, or the scenario's time is over."""
    generator = random.Random(f"{scenario.title} {seed}")  # noqa: S311 - noise, not secrets
    predictor = Predictor()
    found: tuple[float, float] | None = None
    recent: list[float] = []
    false, reached, t = "", None, 0.0
    while t < scenario.seconds:
        if scenario.speaks(t):
            value = scenario.values(t, generator)
            recent = [*recent[-4:], value] if scenario.period_s > 1 else [value]
            if scenario.expect is Expect.FORECAST and median(recent) >= scenario.limit:
                reached = t
                break
            _feed(predictor, scenario, t, value)
        predictor.review(round(t * 1e9))
        for kind, text, eta_s in _findings(predictor):
            rightful = kind is scenario.expect and t >= scenario.onset_s
            if rightful and found is None:
                found = (t, eta_s)
            elif not rightful and not false and _counts(kind, scenario):
                false = f"after {t:.0f} s: {text}"
        t += scenario.period_s
    error = None
    if found is not None and reached is not None:
        error = (found[0] + found[1] - reached) / (reached - found[0])
    return Score(
        scenario.title, scenario.expect, scenario.onset_s, reached, found[0] if found else None, error, false
    )


def _counts(kind: Expect, scenario: Scenario) -> bool:
    """Whether the finding is false. A drift also leaves its baseline, and a lasting shift may look like a
    trend."""
    return scenario.expect is Expect.NOTHING or kind is scenario.expect


def _feed(predictor: Predictor, scenario: Scenario, t: float, value: float) -> None:
    scale = SPECS[scenario.name].scale if scenario.limit == 500 else 1.0
    signal = Signal(scenario.name, "bench", value * scale, scenario.limit * scale, "made up", "1")
    now_ns = round(t * 1e9)
    predictor.feed(now_ns, signal)
    if scenario.period_s > 1:
        predictor.feed_interval(now_ns, signal)


def _findings(predictor: Predictor) -> Iterator[tuple[Expect, str, float]]:
    for forecast in predictor.forecasts():
        yield Expect.FORECAST, forecast.text, forecast.eta_s
    for anomaly in predictor.anomalies():
        yield Expect.ANOMALY, anomaly.text, 0.0
