"""Turns measures into active rules: thresholds, debounce, recurrence, and what clears a rule.

Steps of `decide` use it.
"""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.builtin import builtin_measures
from fieldstack.ha.decision.context.decision_context import DecisionContext
from fieldstack.ha.decision.context.decision_state import ActiveRule, Key, Watch
from fieldstack.ha.decision.orders import begin_orders, begin_remedies
from fieldstack.ha.model.actions import Evidence
from fieldstack.ha.model.measures import BUILT_IN, FACTS, Measure
from fieldstack.ha.model.vocabulary import ClearWhen
from fieldstack.ha.policy.in_force.table import RuleRow
from fieldstack.ha.policy.in_force.windows import windowed_value


def evaluate_measures(context: DecisionContext) -> None:
    """Judge every measure. A momentary fact that is no longer reported is gone, unless its probe fails."""
    seen: set[Key] = set()
    probed = (measure for measure in context.facts.measures if measure.fact not in BUILT_IN)
    for measure in [*builtin_measures(context), *probed]:
        evaluate_measure(context, measure, seen)
    for key in [*context.rules.keys(), *context.watches.keys()]:
        row = context.row(key)
        if row is not None and row.momentary and key not in seen and row.fact not in context.unknown:
            context.watches.forget(key)
            _note_cause_gone(context, key)


def evaluate_measure(context: DecisionContext, measure: Measure, seen: set[Key] | None = None) -> None:
    watches, rules, value = context.watches, context.rules, measure.value
    for row, key in context.policy.table.keyed_rules(measure.fact, measure.subject):
        if row.momentary and seen is not None:
            seen.add(key)
        if row.window_ns or row.is_over(value) or key in watches or key in rules:
            _evaluate_rule(context, row, key, measure)


def _evaluate_rule(context: DecisionContext, row: RuleRow, key: Key, measure: Measure) -> None:
    watch = context.watches.get(key)
    samples, value = windowed_value(row, watch.samples if watch else (), context.now_ns, measure.value)
    over = value is not None and row.is_over(value)
    since = (watch.over_ns if watch and watch.over_ns else context.now_ns) if over else 0
    over_ns = since if row.debounce_ns else 0
    if watch is None or watch.over_ns != over_ns or watch.samples is not samples:
        _remember(context, row, key, Watch(key, over_ns, samples))
    long_enough = over and context.now_ns - since >= row.debounce_ns
    if key in context.rules:
        _update_active(context, row, key, measure, value, over=over, long_enough=long_enough)
    elif long_enough:
        _activate(context, row, measure, value or 0.0, since)


def _remember(context: DecisionContext, row: RuleRow, key: Key, watch: Watch) -> None:
    if watch.over_ns or watch.samples:
        context.watches.keep(watch)
    elif row.debounce_ns or row.window_ns:
        context.watches.forget(key)


def _activate(context: DecisionContext, row: RuleRow, measure: Measure, value: float, since_ns: int) -> None:
    """Activate a rule (again, if it is active: its effects continue)."""
    key = Key(row.name, measure.subject)
    threshold = row.threshold if row.threshold else None
    evidence = Evidence(row.fact, measure.subject, value, threshold, row.window_ns // 1_000_000, since_ns)
    cause = _cause(row, measure, value)
    new = ActiveRule(key, context.now_ns, cause, row.clear, evidence)
    if old := context.rules.get(key):
        new = replace(old, since_ns=context.now_ns, cause=cause, evidence=evidence, gone_ns=0, recurred=False)
    context.rules.activate(new)
    begin_orders(context, key, row)


def _cause(row: RuleRow, measure: Measure, value: float) -> str:
    if row.fact in BUILT_IN and measure.detail:
        return measure.detail
    unit = FACTS[row.fact].unit
    number = f"{value:g} {unit}" if unit else ""
    limit = f"(threshold {row.threshold:g})" if row.threshold else ""
    figures = " ".join(filter(None, (number, limit)))
    return ": ".join(filter(None, (f"{row.fact} of {measure.subject}", figures, measure.detail)))


def _update_active(
    context: DecisionContext,
    row: RuleRow,
    key: Key,
    measure: Measure,
    value: float | None,
    *,
    over: bool,
    long_enough: bool,
) -> None:
    active_rule = context.rules[key]
    if over and context.findings.is_new_failure(row.fact, measure.subject):
        _activate(context, row, measure, value or 0.0, context.now_ns)
        return
    if over:
        recurred = active_rule.recurred or active_rule.gone_ns != 0
        context.rules.update(replace(active_rule, gone_ns=0, recurred=recurred and not long_enough))
        if recurred and long_enough:
            begin_remedies(context, key, row)
    elif value is not None and row.is_gone(value):
        _note_cause_gone(context, key)
    elif active_rule.gone_ns:
        context.rules.update(replace(active_rule, gone_ns=0))


def _note_cause_gone(context: DecisionContext, key: Key) -> None:
    active_rule = context.rules.get(key)
    if active_rule is not None and not active_rule.gone_ns:
        context.rules.update(replace(active_rule, gone_ns=context.now_ns))


def clear_all(context: DecisionContext) -> None:
    """End the rules whose cause has been gone for long enough, and forget what they still waited to order."""
    for active_rule in list(context.rules):
        row = context.row(active_rule.key)
        if (
            row is None
            or active_rule.hold
            or active_rule.clear is not ClearWhen.GONE
            or not active_rule.gone_ns
        ):
            continue
        if context.now_ns - active_rule.gone_ns >= row.clear_ns:
            context.drop_rule(active_rule.key)
