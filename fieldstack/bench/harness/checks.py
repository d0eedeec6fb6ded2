"""Bounds that a benchmark's result is compared with.

Each benchmark's result lists its own; a report prints them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """`found` must be at most `limit`."""

    name: str
    found: float
    limit: float
    unit: str = ""

    @property
    def held(self) -> bool:
        return self.found <= self.limit

    def text(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name}: {self.found:g}{unit}, at most {self.limit:g}{unit}"

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "found": self.found,
            "limit": self.limit,
            "unit": self.unit,
            "held": self.held,
        }


def all_held(checks: Sequence[Check]) -> bool:
    return all(check.held for check in checks)
