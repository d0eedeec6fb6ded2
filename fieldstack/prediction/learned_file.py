"""Keeps what was learned in a file of the runtime folder, so that a restart of Non-RT does not begin again.

`module` saves it each minute and loads it at its start. Each series is one JSON line, written by itself: no
line holds up the supervision pass. Times are CLOCK_MONOTONIC, so a file of another boot is not used. Within a
boot its age does not matter: a series whose process has ended meanwhile ends with the first signal of the
next process.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fieldstack.prediction.charts import COUNTS, LevelChart, RateChart
from fieldstack.prediction.median_scales import Scale
from fieldstack.prediction.predictor import FORGET_NS, HITS, Predictor, Series
from fieldstack.prediction.signals import SPECS, Signal
from fieldstack_base import bounded_json
from fieldstack_base.atomic_file import replacing
from fieldstack_base.clock import boot_id

FORMAT = 1


def save(path: Path, predictor: Predictor) -> Iterator[None]:
    """Writes all series; yields after each. The file appears whole or not at all. OSError."""
    with replacing(path) as file:
        file.write(_line({"format": FORMAT, "boot": boot_id()}))
        for series in list(predictor.series.values()):
            file.write(_line(_of_series(series)))
            yield


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


def load(path: Path, predictor: Predictor, now_ns: int) -> str:
    """Gives the predictor what was kept; returns why nothing was, "" if it was. Raises nothing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        head = bounded_json.loads(lines[0])
        if (head.get("format"), head.get("boot")) != (FORMAT, boot_id()):
            return "of another version or boot"
        found = [_to_series(bounded_json.loads(line)) for line in lines[1:]]
    except FileNotFoundError:
        return "nothing was kept"
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return f"{path} cannot be used: {error!r}"
    for series in found:
        if 0 <= now_ns - series.last_ns < FORGET_NS:
            predictor.series.setdefault(series.last.key, series)
    return ""


def _of_series(series: Series) -> dict[str, Any]:
    return {
        "signal": asdict(series.last),
        "began_ns": series.began_ns,
        "last_ns": series.last_ns,
        "scales": [_of_scale(scale) for scale in series.medians.scales],
        "told": [state.forecast is not None for state in series.states],
        "level": series.level and _of_level(series.level),
        "rate": series.rate and _of_rate(series.rate),
    }


def _to_series(data: dict[str, Any]) -> Series:
    """What was forecast before is reported again with the first median that says so."""
    signal = Signal(**data["signal"])
    series = Series(SPECS[signal.name], signal.life, data["began_ns"], signal, data["last_ns"])
    for scale, kept in zip(series.medians.scales, data["scales"], strict=True):
        _to_scale(scale, kept)
    for state, forecast in zip(series.states, data["told"], strict=True):
        state.hits = HITS - 1 if forecast else 0
    if series.level is not None:
        _to_level(series.level, data["level"])
    if series.rate is not None:
        _to_rate(series.rate, data["rate"])
    return series


def _of_scale(scale: Scale) -> dict[str, Any]:
    passed = None if math.isinf(scale.past_high) else [scale.past_low, scale.past_high]
    return {"medians": [list(scale.times), list(scale.values)], "passed": passed, "open": scale.open}


def _to_scale(scale: Scale, data: dict[str, Any]) -> None:
    times, values = data["medians"]
    scale.times.extend(times)
    scale.values.extend(values)
    scale.open = ([*data["open"][0]], [*data["open"][1]])
    if data["passed"] is not None:
        scale.past_low, scale.past_high = data["passed"]


def _of_level(chart: LevelChart) -> dict[str, Any]:
    names = ("learned", "centre", "limit", "ewma", "alarmed")
    return {name: getattr(chart, name) for name in names}


def _to_level(chart: LevelChart, data: dict[str, Any]) -> None:
    for name, value in data.items():
        setattr(chart, name, value)


def _of_rate(chart: RateChart) -> dict[str, Any]:
    names = ("learned", "p0", "p1", "cusum", "recent", "alarmed")
    return {name: getattr(chart, name) for name in names} | {
        "counts": chart.counts and _of_level(chart.counts)
    }


def _to_rate(chart: RateChart, data: dict[str, Any]) -> None:
    counts = data.pop("counts")
    if counts is not None:
        chart.counts = LevelChart(COUNTS)
        _to_level(chart.counts, counts)
    for name, value in data.items():
        setattr(chart, name, value)
