"""What a health check says: a level, a sentence for people, numbers for machines.

Checks make results; the routes and `/metrics` show them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fieldstack.health.model.observation import Observation


class Level(StrEnum):
    """How well it is. Only FAIL makes an endpoint answer 503."""

    PASS = "pass"  # noqa: S105 - a level, not a password
    WARN = "warn"
    FAIL = "fail"


ORDER = (Level.PASS, Level.WARN, Level.FAIL)


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's judgement; `remedy` says what to do, `data` has the numbers behind it."""

    level: Level
    text: str
    remedy: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A finding with the name of its check and the age of what it was made from (None: never seen)."""

    name: str
    finding: Finding
    age_s: float | None

    @property
    def level(self) -> Level:
        return self.finding.level

    def to_dict(self) -> dict[str, Any]:
        finding = self.finding
        shown: dict[str, Any] = {"status": finding.level, "text": finding.text, "age_s": self.age_s}
        if finding.remedy:
            shown["remedy"] = finding.remedy
        if finding.data:
            shown["data"] = finding.data
        return shown


class HealthCheck(Protocol):
    """One question about the cell, answered from an observation: pure, no clock, no I/O."""

    @property
    def name(self) -> str: ...

    def check(self, seen: Observation, now_ns: int) -> CheckResult: ...


def passed(text: str, **data: Any) -> Finding:
    return Finding(Level.PASS, text, "", data)


def warned(text: str, remedy: str = "", **data: Any) -> Finding:
    return Finding(Level.WARN, text, remedy, data)


def failed(text: str, remedy: str = "", **data: Any) -> Finding:
    return Finding(Level.FAIL, text, remedy, data)


def worst(levels: list[Level]) -> Level:
    """PASS for none."""
    return max(levels, key=ORDER.index, default=Level.PASS)
