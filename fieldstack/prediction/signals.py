"""Signals: the numbers that prediction follows, and what is asked of each kind of them.

Sampler and telemetry make them, the predictor takes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fieldstack.ha.probes.readings import Reading, Resource


class Metric(StrEnum):
    """What is followed beside the resources; the words of texts and metrics."""

    WAKE_TAIL = "wake-up latency (p99.9)"
    EXCHANGE_TAIL = "exchange time (p99.9)"
    FOLLOWING_ERROR = "following error"
    WKC_ERRORS = "working-counter errors"
    LOST_FRAMES = "lost frames"
    RX_ERRORS = "receive errors (CRC)"


@dataclass(frozen=True, slots=True)
class Signal:
    """One value of one series: `name` of `subject`, against a `limit` (0: none) that comes from `source`.

    A counter's value is what it grew by in the interval that has just ended. Another `life`: a new series.
    """

    name: str
    subject: str
    value: float
    limit: float
    source: str
    life: str

    @classmethod
    def of(cls, reading: Reading) -> Signal:
        return cls(
            reading.resource, reading.subject, reading.value, reading.limit, reading.source, reading.life
        )

    @property
    def key(self) -> tuple[str, str, str]:
        return self.name, self.subject, self.source


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """A chart of levels. Logarithms (base 2) where changes are multiples rather than sums.

    `floor`: least standard deviation that is believed; `shift`: least change that matters, both after
    the logarithm; `min_share`: a level below this share of its limit matters to nobody.
    """

    logarithm: bool
    floor: float
    shift: float
    min_share: float = 0.0


@dataclass(frozen=True, slots=True)
class SeriesSpec:
    """What is done with a series. `scale` and `unit`: how its values are written for people.

    `pauses`: it says nothing while the cell or the axis rests; what was found lasts until its life ends.
    """

    unit: str
    scale: float = 1.0
    forecast: bool = False
    level: LevelSpec | None = None
    rate: bool = False
    pauses: bool = False


_DOUBLED = LevelSpec(logarithm=True, floor=0.15, shift=1.0, min_share=0.05)
_MIB = 2.0**20

SPECS: dict[str, SeriesSpec] = {
    Resource.MEMORY: SeriesSpec("MiB", _MIB, forecast=True),
    Resource.FILE_DESCRIPTORS: SeriesSpec("", forecast=True),
    Resource.DISK: SeriesSpec("MiB", _MIB, forecast=True),
    Resource.CPU: SeriesSpec("CPUs", level=LevelSpec(logarithm=False, floor=0.05, shift=0.3)),
    Resource.TEMPERATURE: SeriesSpec(
        "°C", forecast=True, level=LevelSpec(logarithm=False, floor=1.0, shift=20.0)
    ),
    Metric.WAKE_TAIL: SeriesSpec("µs", 1000.0, forecast=True, level=_DOUBLED, pauses=True),
    Metric.EXCHANGE_TAIL: SeriesSpec("µs", 1000.0, forecast=True, level=_DOUBLED, pauses=True),
    Metric.FOLLOWING_ERROR: SeriesSpec("counts", forecast=True, level=_DOUBLED, pauses=True),
    Metric.WKC_ERRORS: SeriesSpec("", rate=True, pauses=True),
    Metric.LOST_FRAMES: SeriesSpec("", rate=True, pauses=True),
    Metric.RX_ERRORS: SeriesSpec("", rate=True, pauses=True),
}
"""Every name, with what is asked of it. The host's CPU is not charted: what else runs there is not ours."""


def amount(name: str, value: float) -> str:
    """For people: with its unit."""
    spec = SPECS[name]
    shown = value / spec.scale
    digits = 0 if abs(shown) >= 100 or not spec.unit or spec.unit == "counts" else 1
    return f"{shown:.{digits}f} {spec.unit}".strip()
