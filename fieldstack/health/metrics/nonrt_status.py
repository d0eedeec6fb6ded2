"""Metrics from Non-RT's status, as its control socket gives it: what only Non-RT knows. `/metrics` has them.

What is missing in it, because Non-RT is down or of another version, has no series.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric

from fieldstack.health.metrics import history
from fieldstack.health.metrics.families import counters, gauges


def families(status: Mapping[str, Any]) -> Iterator[Metric]:
    yield from history.families(status.get("history"))
    yield from _rules(_records(status.get("rules")))
    yield from _modules(_records(status.get("modules")))
    yield from _budgets(_records(status.get("budgets")))
    yield from _predictions(status.get("predictions"))
    yield from _alerts(status.get("alerts"))


def _records(found: Any) -> list[Mapping[str, Any]]:
    """A list of objects, or an object of objects whose keys become `subject`."""
    if isinstance(found, Mapping):
        found = [{"subject": key, **one} for key, one in found.items() if isinstance(one, Mapping)]
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _rules(records: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    yield gauges(
        "fieldstack_rule_active",
        "1: this rule of the policy is in effect on this subject",
        ["rule", "subject"],
        (([str(one.get("rule", "")), str(one.get("subject", ""))], 1.0) for one in records),
    )


def _modules(records: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    found = list(records)
    yield gauges(
        "fieldstack_module_well",
        "1: this module of Non-RT is at work",
        ["module"],
        (([str(one.get("subject", ""))], float(not one.get("trouble"))) for one in found),
    )
    yield counters(
        "fieldstack_module_starts",
        "Starts of the module by the present Non-RT process",
        ["module"],
        (([str(one.get("subject", ""))], float(one.get("starts", 0))) for one in found),
    )


def _budgets(records: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    found = [one for one in records if isinstance(one.get("used"), int | float)]
    yield gauges(
        "fieldstack_restart_budget_used",
        "Restarts in the budget's window",
        ["subject"],
        (([str(one.get("subject", ""))], float(one["used"])) for one in found),
    )
    yield gauges(
        "fieldstack_restart_budget_allowed",
        "Restarts that the budget's window allows",
        ["subject"],
        (([str(one.get("subject", ""))], float(one.get("allowed", 0))) for one in found),
    )


def _predictions(found: Any) -> Iterator[Metric]:
    """As the module `prediction` describes itself: lists of `forecasts` and of `anomalies`."""
    predictions = found if isinstance(found, Mapping) else {}
    labels = ["subject", "resource"]
    rows = [
        ([str(one.get("subject", "")), str(one.get("resource", ""))], one)
        for one in _records(predictions.get("forecasts"))
        if isinstance(one.get("seconds_to_limit"), int | float)
    ]
    yield gauges(
        "fieldstack_prediction_seconds_to_limit",
        "Forecast time until a resource reaches its limit",
        labels,
        ((key, float(one["seconds_to_limit"])) for key, one in rows),
    )
    yield gauges(
        "fieldstack_prediction_confidence",
        "Of that forecast, 0 to 1",
        labels,
        ((key, float(one.get("confidence", 0))) for key, one in rows),
    )
    yield gauges(
        "fieldstack_anomaly_score",
        "Distance from a learned baseline: 1 is the chart's control limit",
        ["subject", "name"],
        (
            ([str(one.get("subject", "")), str(one.get("name", ""))], float(one.get("score", 0)))
            for one in _records(predictions.get("anomalies"))
        ),
    )


_ALERT_COUNTS = {
    "delivered": ("fieldstack_alerts_delivered", "Alerts that the receiver took"),
    "failed": ("fieldstack_alerts_failed", "Attempts that failed; each is made again"),
    "held_back": ("fieldstack_alerts_held_back", "Alerts held back by the rate limit"),
    "dropped": ("fieldstack_alerts_dropped", "Alerts that were given up"),
}


def _alerts(found: Any) -> Iterator[Metric]:
    channels = _records(found.get("channels")) if isinstance(found, Mapping) else []
    keys = [[str(one.get("subject", ""))] for one in channels]
    yield gauges(
        "fieldstack_alerts_queued",
        "Alerts that wait for their receiver",
        ["channel"],
        ((key, float(one.get("queued", 0))) for key, one in zip(keys, channels, strict=True)),
    )
    for field, (name, text) in _ALERT_COUNTS.items():
        yield counters(
            name,
            text,
            ["channel"],
            ((key, float(one.get(field, 0))) for key, one in zip(keys, channels, strict=True)),
        )
