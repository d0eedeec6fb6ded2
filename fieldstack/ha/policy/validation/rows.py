"""Compiles a rule of the file to the row with which the decision core works. Used by `schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldstack.ha.model.measures import FACTS, Comparison
from fieldstack.ha.model.vocabulary import DEFAULT_TIMEOUT_MS, DEFERRABLE, Hold
from fieldstack.ha.policy.in_force.table import Order, RuleRow, default_escalation
from fieldstack_base.units import NS_PER_MS

if TYPE_CHECKING:
    from fieldstack.ha.policy.validation.rules import ActionOrder, Rule


def row_of(rule: Rule) -> RuleRow:
    meaning = FACTS[rule.fact]
    threshold = rule.threshold if rule.threshold is not None else 0.0
    consecutive = meaning.unit == "cycles" and meaning.over is Comparison.AT_LEAST
    # A row of bad cycles is over when a good one has come, not when it is short.
    usual = min(1.0, threshold) if consecutive else threshold
    gone_at = rule.clear.threshold if rule.clear.threshold is not None else usual
    defer_ns = rule.defer.at_most_ms * NS_PER_MS if rule.defer else 0
    return RuleRow(
        rule.name,
        rule.fact,
        meaning.over,
        rule.subject,
        threshold,
        gone_at,
        rule.window_ms * NS_PER_MS,
        rule.debounce_ms * NS_PER_MS,
        tuple(_order(one, defer_ns) for one in rule.actions),
        rule.clear.when,
        rule.clear.for_ms * NS_PER_MS,
        meaning.momentary,
        rule.resume_within_ms * NS_PER_MS,
    )


def _order(one: ActionOrder, defer_ns: int) -> Order:
    given = one.on_failure
    failure = default_escalation(one.action) if given is None else tuple(_order(next_, 0) for next_ in given)
    return Order(
        one.action,
        (one.timeout_ms or DEFAULT_TIMEOUT_MS[one.action]) * NS_PER_MS,
        failure,
        one.after == "confirmed",
        one.target or "",
        one.override_percent or 100,
        tuple(one.groups or ()),
        one.until or Hold.RESET,
        defer_ns if one.action in DEFERRABLE else 0,
    )
