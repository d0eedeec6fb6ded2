"""What a decision has found out by itself, and what lasts no longer than it does.

The steps of `decide` reach it as `context.findings`.
"""

from __future__ import annotations

from fieldstack.ha.model.measures import FactKind, Measure


class Findings:
    """Failures of processes that began in this decision, and what operators ask rules for."""

    __slots__ = ("_new_failures", "_requested")

    def __init__(self) -> None:
        self._new_failures: set[tuple[FactKind, str]] = set()
        self._requested: list[Measure] = []

    def note_failure(self, fact: FactKind, subject: str) -> None:
        self._new_failures.add((fact, subject))

    def is_new_failure(self, fact: FactKind, subject: str) -> bool:
        return (fact, subject) in self._new_failures

    def note_request(self, measure: Measure) -> None:
        self._requested.append(measure)

    @property
    def requested(self) -> tuple[Measure, ...]:
        """Measures of the fact `operator_request`."""
        return tuple(self._requested)

    def records(self) -> tuple[object, ...]:
        return (frozenset(self._new_failures), self.requested)
