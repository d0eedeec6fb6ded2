"""Short ways to make metric families, for the other files of this room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import EnumType

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Labelled = Iterable[tuple[Sequence[str], float]]


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    """`name` without `_total`, which is added."""
    return CounterMetricFamily(name, text, value=value)


def gauges(name: str, text: str, labels: Sequence[str], values: Labelled) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for found, value in values:
        family.add_metric(list(found), value)
    return family


def counters(name: str, text: str, labels: Sequence[str], values: Labelled) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for found, value in values:
        family.add_metric(list(found), value)
    return family


def one_of(name: str, text: str, states: Iterable[str] | EnumType, now: str) -> Metric:
    """1 for the present state, 0 for all others: each possible one has its series at all times."""
    names = [state if isinstance(state, str) else state.name for state in states]
    names += [] if now in names else [now]
    return gauges(name, text, ["state"], (((state,), float(state == now)) for state in names))


def numbers(found: Mapping[str, object]) -> dict[str, float]:
    """The members that are numbers."""
    return {
        key: float(value)
        for key, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
