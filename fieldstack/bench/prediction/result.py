"""The results of the prediction benchmark: hits, misses, false alarms, lead times, cost, bounds.

`command` prints them and writes them to a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldstack.bench.harness.checks import Check
from fieldstack.bench.harness.percentiles import Percentiles
from fieldstack.bench.prediction.normal import Charts, NormalResult, ReplayResult
from fieldstack.bench.prediction.prevention import PreventionResult
from fieldstack.bench.prediction.scenarios import Expect
from fieldstack.bench.prediction.score import Score

CPU_SHARE_MAX = 0.01
"""The share of one CPU that sampler and method may use together."""
REST_SHARE_MAX = 0.1
"""The least share of readings with an operational cell: in another cell nothing could alarm."""
LEARNED_AFTER_S = 1800.0
"""A run of this length must have learned every baseline; shorter runs only report theirs."""


@dataclass(frozen=True, slots=True)
class PredictionResult:
    """`scenarios`: synthetic series. `leaks`: real processes. `normal`, `prevention`: live cells, or None."""

    scenarios: tuple[Score, ...]
    leaks: tuple[Score, ...]
    normal: NormalResult | None
    prevention: PreventionResult | None
    replayed: ReplayResult | None

    @property
    def scores(self) -> tuple[Score, ...]:
        return self.scenarios + self.leaks

    def checks(self) -> list[Check]:
        found = []
        if self.scores:
            found.append(Check("misses", sum(one.missed for one in self.scores), 0))
            found.append(Check("false alarms", sum(bool(one.false_text) for one in self.scores), 0))
        if self.prevention is not None:
            found.append(Check("leaks of the Main Core not prevented", int(not self.prevention.prevented), 0))
        if self.normal is not None:
            found.append(Check("false alarms in normal running", len(self.normal.alarms), 0))
            found += _could_alarm("normal running", self.normal.seconds, self.normal.charts)
            rested = round(1 - self.normal.operational_share, 4)
            found.append(Check("share of the time not operational", rested, REST_SHARE_MAX))
            found.append(Check("CPU share", round(self.normal.cpu_share, 4), CPU_SHARE_MAX))
        if self.replayed is not None:
            found.append(Check("false alarms in the recorded run", len(self.replayed.alarms), 0))
            found += _could_alarm("the recorded run", self.replayed.seconds, self.replayed.charts)
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "scenarios": _part(self.scenarios),
            "leaks": _part(self.leaks),
            "prevention": self.prevention and self.prevention.to_json(),
            "normal": self.normal and self.normal.to_json(),
            "replayed": self.replayed and self.replayed.to_json(),
            "checks": [check.to_json() for check in self.checks()],
        }


def _could_alarm(where: str, seconds: float, charts: Charts) -> list[Check]:
    """Charts that could not alarm: without them, "no false alarm" would mean nothing."""
    if seconds < LEARNED_AFTER_S:
        return []
    return [Check(f"charts without a baseline in {where}", len(charts.unready), 0)]


def _part(scores: Sequence[Score]) -> dict[str, Any]:
    wanted = [one for one in scores if one.expect is not Expect.NOTHING]
    found: dict[str, Any] = {
        "runs": len(scores),
        "hits": sum(one.hit for one in wanted),
        "misses": sum(one.missed for one in wanted),
        "false_alarms": sum(bool(one.false_text) for one in scores),
    }
    for name, of in (("lead_share", _lead), ("eta_error", _error), ("anomaly_delay_s", _delay)):
        values = [value for one in wanted if (value := of(one)) is not None]
        if values:
            found[name] = {
                "p50": round(Percentiles.of(values).p50, 3),
                "min": round(min(values), 3),
                "max": round(max(values), 3),
            }
    return {**found, "results": [one.to_json() for one in scores]}


def _delay(score: Score) -> float | None:
    return score.delay_s if score.expect is Expect.ANOMALY else None


def _lead(score: Score) -> float | None:
    return score.lead_share


def _error(score: Score) -> float | None:
    return score.eta_error
