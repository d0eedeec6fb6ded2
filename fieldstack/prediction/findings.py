"""What prediction finds: forecasts of limits that will be reached, anomalies against a learned baseline.

The predictor makes them; `module` reports them as measures and in `status`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fieldstack.prediction.signals import amount


@dataclass(frozen=True, slots=True)
class Forecast:
    """`resource` of `subject` reaches `limit` `eta_s` after `t_ns` (95 %: between `eta_low_s` and `_high_s`).

    `confidence`: that it rises at all; `span_s`: the history that this rests on.
    """

    resource: str
    subject: str
    value: float
    limit: float
    source: str
    eta_s: float
    eta_low_s: float
    eta_high_s: float
    confidence: float
    span_s: float
    t_ns: int

    def eta_at(self, now_ns: int) -> float:
        """Seconds left at that time."""
        return max(0.0, self.eta_s - (now_ns - self.t_ns) / 1e9)

    @property
    def text(self) -> str:
        return self.text_at(self.t_ns)

    def text_at(self, now_ns: int) -> str:
        passed = (now_ns - self.t_ns) / 1e9
        low, high = max(0.0, self.eta_low_s - passed), max(0.0, self.eta_high_s - passed)
        return (
            f"{self.resource} of {self.subject} reaches its limit in {duration(self.eta_at(now_ns))} "
            f"({duration(low)} to {duration(high)}, confidence {min(99.9, 100 * self.confidence):.1f} %): "
            f"{amount(self.resource, self.value)} of {amount(self.resource, self.limit)} ({self.source}), "
            f"by the last {duration(self.span_s)}"
        )

    def to_json(self, now_ns: int) -> dict[str, Any]:
        return {
            **asdict(self),
            "seconds_to_limit": round(self.eta_at(now_ns), 1),
            "text": self.text_at(now_ns),
        }


@dataclass(frozen=True, slots=True)
class Anomaly:
    """`name` of `subject` has left its baseline; `score` 1.0 is the chart's control limit."""

    name: str
    subject: str
    value: float
    baseline: float
    score: float
    since_ns: int
    text: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def duration(seconds: float) -> str:
    """As people say it: `40 s`, `12 min`, `3.5 h`, `9 d`."""
    for unit, size, until in (("s", 1.0, 99.5), ("min", 60.0, 99.5 * 60), ("h", 3600.0, 48 * 3600)):
        if seconds < until:
            shown = seconds / size
            return f"{shown:.1f} {unit}" if unit == "h" and shown < 10 else f"{shown:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
