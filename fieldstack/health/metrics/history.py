"""Metrics from the ProcessMonitor's history: detections, delays and misses, over all restarts of Non-RT.

`nonrt_status` uses it, for Non-RT's status has the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import HistogramMetricFamily, Metric

from fieldstack.ha.monitor.log_histogram import COUNT_BOUNDS, DURATION_BOUNDS, LogHistogram
from fieldstack.health.metrics.families import counters


@dataclass(frozen=True, slots=True)
class _HistogramSpec:
    """One histogram of each process; `unit`: how many of its own one of the metric's is."""

    name: str
    text: str
    bounds: tuple[float, ...] = DURATION_BOUNDS
    unit: float = 1000.0


_HISTOGRAMS = {
    "detection_ms": _HistogramSpec(
        "fieldstack_detection_seconds",
        "From a process's last sign of life to the moment at which its failure was known",
    ),
    "delay_ms": _HistogramSpec(
        "fieldstack_beat_delay_seconds", "How long a process made no progress before it went on"
    ),
    "misses": _HistogramSpec(
        "fieldstack_beat_misses",
        "In how many observations in a row a process made no progress before it went on",
        COUNT_BOUNDS,
        1.0,
    ),
}


def families(history: Any) -> Iterator[Metric]:
    """`history` as `History.to_dict` gives it; anything else has no series."""
    recorded = history.get("processes") if isinstance(history, Mapping) else None
    processes = {str(name): one for name, one in (recorded or {}).items() if isinstance(one, Mapping)}
    for field, kind in _HISTOGRAMS.items():
        family = HistogramMetricFamily(kind.name, kind.text, labels=["process"])
        for process, one in processes.items():
            _add(family, process, kind, one.get(field))
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


def _add(family: HistogramMetricFamily, process: str, kind: _HistogramSpec, found: Any) -> None:
    try:
        histogram = LogHistogram.from_dict(found, kind.bounds)
    except (ValueError, KeyError, TypeError):
        return
    below, buckets = 0, list[tuple[str, float]]()
    for bound, count in zip((*histogram.bounds, None), histogram.buckets, strict=True):
        below += count
        buckets.append(("+Inf" if bound is None else f"{bound / kind.unit:.9g}", float(below)))
    family.add_metric([process], buckets, histogram.sum / kind.unit)
