"""A policy as the decision core works with it: frozen rows in nanoseconds, found by fact or name."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from fieldstack.ha.model.measures import FACTS, Comparison, FactKind
from fieldstack.ha.model.vocabulary import (
    DEFAULT_ESCALATION,
    DEFAULT_TIMEOUT_MS,
    ClearWhen,
    Hold,
    PolicyAction,
)
from fieldstack_base.units import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable


CACHE_SIZE = 4096
"""Subjects come and go (tasks); what is remembered of them is bounded."""


class Key(NamedTuple):
    """A rule and the subject that it judges."""

    rule: str
    subject: str


@dataclass(frozen=True, slots=True)
class Order:
    """One action with its escalation. `target` empty: the fact's subject. `defer_ns`: it may wait so long."""

    action: PolicyAction
    timeout_ns: int
    on_failure: tuple[Order, ...] = ()
    in_turn: bool = False
    target: str = ""
    override_percent: int = 100
    groups: tuple[str, ...] = ()
    hold: Hold = Hold.RESET
    defer_ns: int = 0


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule. `gone_at`: the value on whose good side (exclusive) the cause counts as gone."""

    name: str
    fact: FactKind
    over: Comparison
    subject: str
    threshold: float
    gone_at: float
    window_ns: int
    debounce_ns: int
    orders: tuple[Order, ...]
    clear: ClearWhen
    clear_ns: int
    momentary: bool
    resume_ns: int = 0
    """Motion resumes by itself if the axes stood for less; 0: it waits for a start."""

    def is_over(self, value: float) -> bool:
        if self.over is Comparison.TRUE:
            return value != 0
        return value <= self.threshold if self.over is Comparison.AT_MOST else value >= self.threshold

    def is_gone(self, value: float) -> bool:
        if self.over is Comparison.TRUE:
            return value == 0
        return value > self.gone_at if self.over is Comparison.AT_MOST else value < self.gone_at

    @property
    def settle_ns(self) -> int:
        """How long it takes to see the cause again after something was done about it."""
        return FACTS[self.fact].age_ms * NS_PER_MS + self.window_ns + self.debounce_ns


class RuleTable:
    """All rules of a policy."""

    def __init__(self, rows: Iterable[RuleRow]) -> None:
        self.rows = {row.name: row for row in rows}
        by_fact: dict[FactKind, list[RuleRow]] = {}
        for row in self.rows.values():
            by_fact.setdefault(row.fact, []).append(row)
        self._by_fact = {fact: tuple(rows) for fact, rows in by_fact.items()}
        self._found: dict[tuple[FactKind, str], tuple[tuple[RuleRow, Key], ...]] = {}

    def get(self, name: str) -> RuleRow | None:
        return self.rows.get(name)

    def rules_for(self, fact: FactKind, subject: str) -> tuple[RuleRow, ...]:
        """The rules that judge this fact of this subject."""
        return tuple(row for row, _ in self.keyed_rules(fact, subject))

    def keyed_rules(self, fact: FactKind, subject: str) -> tuple[tuple[RuleRow, Key], ...]:
        """The same, each with its key; remembered, for it is asked for each measure in each decision."""
        found = self._found.get((fact, subject))
        if found is None:
            rows = self._by_fact.get(fact, ())
            found = tuple((row, Key(row.name, subject)) for row in rows if matches(row.subject, subject))
            if len(self._found) >= CACHE_SIZE:
                self._found.clear()
            self._found[fact, subject] = found
        return found


@lru_cache(maxsize=CACHE_SIZE)
def matches(pattern: str, subject: str) -> bool:
    return pattern == "*" or fnmatchcase(subject, pattern)


def default_order(action: PolicyAction) -> Order:
    """An action as the policy would order it with nothing but its word."""
    return Order(action, DEFAULT_TIMEOUT_MS[action] * NS_PER_MS, default_escalation(action))


def default_escalation(action: PolicyAction) -> tuple[Order, ...]:
    return tuple(default_order(one) for one in DEFAULT_ESCALATION.get(action, ()))
