"""The base of checks that judge the sample of one source. All checks of this room derive from it.

What is stale or could not be observed is never called well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from fieldstack.health.model.observation import MemoryView, Observation, Sample
from fieldstack.health.model.result import CheckResult, Finding, failed


class SampleCheck(ABC):
    """`evaluate` sees a fresh value; `when_unobserved` says what not seeing it means."""

    name: str
    source: str

    def check(self, seen: Observation, now_ns: int) -> CheckResult:
        sample: Sample[Any] = getattr(seen, self.source)
        trouble = sample.trouble(now_ns)
        if trouble or sample.value is None:
            finding = self.when_unobserved(trouble or f"{sample.source}: nothing to see")
        else:
            finding = self.evaluate(sample.value, now_ns)
        return CheckResult(self.name, finding, sample.age_s(now_ns))

    @abstractmethod
    def evaluate(self, value: Any, now_ns: int) -> Finding:
        """What a fresh value means."""

    def when_unobserved(self, trouble: str) -> Finding:
        return failed(trouble)


class MemoryCheck(SampleCheck):
    """A check of the shared memory."""

    source = "memory"

    @abstractmethod
    def evaluate(self, value: MemoryView, now_ns: int) -> Finding: ...
