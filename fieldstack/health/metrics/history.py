"""Metrics out of the ProcessMonitor's history: detection times and delays, kept across restarts of Non-RT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import HistogramMetricFamily, Metric

from fieldstack.ha.log_histogram import LogHistogram
from fieldstack.health.metrics.families import counters

_HISTOGRAMS = {
    "detection_ms": (
        "fieldstack_detection_seconds",
        "From a process's last sign of life to the moment at which its failure was known",
    ),
    "delay_ms": ("fieldstack_beat_delay_seconds", "How long a process made no progress before it went on"),
}


def families(history: Any) -> Iterator[Metric]:
    """`history` as `History.to_dict` gives it; anything else has no series."""
    told = history.get("processes") if isinstance(history, Mapping) else None
    processes = {str(name): one for name, one in (told or {}).items() if isinstance(one, Mapping)}
    for field, (name, text) in _HISTOGRAMS.items():
        family = HistogramMetricFamily(name, text, labels=["process"])
        for process, one in processes.items():
            _add(family, process, one.get(field))
        yield family
    yield counters(
        "fieldstack_detections",
        "Failures of a process that were detected",
        ["process", "condition"],
        (
            ((process, str(condition)), float(number))
            for process, one in processes.items()
            for condition, number in one.get("detections", {}).items()
        ),
    )


def _add(family: HistogramMetricFamily, process: str, found: Any) -> None:
    try:
        histogram = LogHistogram.from_dict(found)
    except (ValueError, KeyError, TypeError):
        return
    below, buckets = 0, list[tuple[str, float]]()
    for bound, count in zip((*histogram.bounds, None), histogram.buckets, strict=True):
        below += count
        buckets.append(("+Inf" if bound is None else f"{bound / 1000:.9g}", float(below)))
    family.add_metric([process], buckets, histogram.sum / 1000)
