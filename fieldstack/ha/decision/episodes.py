"""From measures to rules that count: thresholds, debounce, recurrence, and what clears a rule."""

from __future__ import annotations

from dataclasses import replace

from fieldstack.ha.decision.builtin import builtin_measures
from fieldstack.ha.decision.decision_state import Episode, Key, Watch
from fieldstack.ha.decision.draft import Draft
from fieldstack.ha.decision.orders import begin_all, begin_remedies
from fieldstack.ha.model.actions import Evidence
from fieldstack.ha.model.measures import BUILT_IN, FACTS, Measure
from fieldstack.ha.model.vocabulary import ClearWhen
from fieldstack.ha.policy.table import RuleRow
from fieldstack.ha.policy.windows import judged


def judge_all(draft: Draft) -> None:
    """Judge every measure; what is fleeting and not told any more is gone, unless its probe fails."""
    seen: set[Key] = set()
    probed = (measure for measure in draft.facts.measures if measure.fact not in BUILT_IN)
    for measure in [*builtin_measures(draft), *probed]:
        judge(draft, measure, seen)
    for key in [*draft.episodes, *draft.watches]:
        row = draft.row(key)
        if row is not None and row.fleeting and key not in seen and row.fact not in draft.unknown:
            draft.watches.pop(key, None)
            _calm(draft, key)


def judge(draft: Draft, measure: Measure, seen: set[Key] | None = None) -> None:
    for row, key in draft.policy.table.judges(measure.fact, measure.subject):
        if row.fleeting and seen is not None:
            seen.add(key)
        if row.window_ns or row.is_over(measure.value) or key in draft.watches or key in draft.episodes:
            _judge_row(draft, row, key, measure)


def _judge_row(draft: Draft, row: RuleRow, key: Key, measure: Measure) -> None:
    watch = draft.watches.get(key)
    samples, value = judged(row, watch.samples if watch else (), draft.now_ns, measure.value)
    over = value is not None and row.is_over(value)
    since = (watch.over_ns if watch and watch.over_ns else draft.now_ns) if over else 0
    over_ns = since if row.debounce_ns else 0
    if watch is None or watch.over_ns != over_ns or watch.samples is not samples:
        _remember(draft, row, key, Watch(key, over_ns, samples))
    long_enough = over and draft.now_ns - since >= row.debounce_ns
    if key in draft.episodes:
        _follow(draft, row, key, measure, value, over=over, long_enough=long_enough)
    elif long_enough:
        _enter(draft, row, measure, value or 0.0, since)


def _remember(draft: Draft, row: RuleRow, key: Key, watch: Watch) -> None:
    if watch.over_ns or watch.samples:
        draft.watches[key] = watch
    elif row.debounce_ns or row.window_ns:
        draft.watches.pop(key, None)


def _enter(draft: Draft, row: RuleRow, measure: Measure, value: float, since_ns: int) -> None:
    """A rule takes effect (or takes effect anew: its effects last)."""
    key = Key(row.name, measure.subject)
    threshold = row.threshold if row.threshold else None
    evidence = Evidence(row.fact, measure.subject, value, threshold, row.window_ns // 1_000_000, since_ns)
    cause = _cause(row, measure, value)
    old = draft.episodes.pop(key, None)
    if old is None:
        draft.episodes[key] = Episode(key, draft.now_ns, cause, row.clear, evidence)
    else:
        draft.episodes[key] = replace(
            old, since_ns=draft.now_ns, cause=cause, evidence=evidence, gone_ns=0, again=False
        )
    begin_all(draft, key, row)


def _cause(row: RuleRow, measure: Measure, value: float) -> str:
    if row.fact in BUILT_IN and measure.detail:
        return measure.detail
    unit = FACTS[row.fact].unit
    number = f"{value:g} {unit}" if unit else ""
    limit = f"(threshold {row.threshold:g})" if row.threshold else ""
    figures = " ".join(filter(None, (number, limit)))
    return ": ".join(filter(None, (f"{row.fact} of {measure.subject}", figures, measure.detail)))


def _follow(
    draft: Draft,
    row: RuleRow,
    key: Key,
    measure: Measure,
    value: float | None,
    *,
    over: bool,
    long_enough: bool,
) -> None:
    episode = draft.episodes[key]
    if over and (row.fact, measure.subject) in draft.fresh:
        _enter(draft, row, measure, value or 0.0, draft.now_ns)
        return
    if over:
        again = episode.again or episode.gone_ns != 0
        draft.episodes[key] = replace(episode, gone_ns=0, again=again and not long_enough)
        if again and long_enough:
            begin_remedies(draft, key, row)
    elif value is not None and row.is_gone(value):
        _calm(draft, key)
    elif episode.gone_ns:
        draft.episodes[key] = replace(episode, gone_ns=0)


def _calm(draft: Draft, key: Key) -> None:
    episode = draft.episodes.get(key)
    if episode is not None and not episode.gone_ns:
        draft.episodes[key] = replace(episode, gone_ns=draft.now_ns)


def clear_all(draft: Draft) -> None:
    """Drop the rules whose cause was gone for long enough, with what they still waited to order."""
    for key, episode in list(draft.episodes.items()):
        row = draft.row(key)
        if row is None or episode.hold or episode.clear is not ClearWhen.GONE or not episode.gone_ns:
            continue
        if draft.now_ns - episode.gone_ns >= row.clear_ns:
            drop(draft, key)


def drop(draft: Draft, key: Key) -> None:
    draft.episodes.pop(key, None)
    draft.waiting = [one for one in draft.waiting if one.key != key]
