"""The predictor: all series of a cell, their forecasts and anomalies. Pure: time comes with the signals.

`module` feeds it in the cell, the benchmark with series of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fieldstack.prediction.charts import LevelChart, RateChart
from fieldstack.prediction.findings import Anomaly, Forecast
from fieldstack.prediction.median_scales import MedianScales
from fieldstack.prediction.signals import SPECS, SeriesSpec, Signal, amount
from fieldstack.prediction.trend_forecast import Refusal, TimeToLimit, time_to_limit

SETTLE_S = 30.0
"""A start-up is no trend: so much of a life's beginning is left out."""
HITS = 3
"""A scale must say so with so many medians in a row; as many in a row that do not take it back."""
QUIET_NS = 60_000_000_000
"""Of a series that says nothing for so long, nothing is known now; what was learned of it stays."""
FORGET_NS = 7 * 24 * 3600 * 1_000_000_000
"""A series that says nothing for so long has no subject any more."""

Key = tuple[str, str, str]


@dataclass(slots=True)
class _ScaleState:
    hits: int = 0
    misses: int = 0
    forecast: Forecast | None = None
    floor: float = 0.0
    refusal: Refusal = Refusal.YOUNG


@dataclass(slots=True)
class Series:
    """One life of one series."""

    spec: SeriesSpec
    life: str
    began_ns: int
    last: Signal
    last_ns: int
    medians: MedianScales = field(default_factory=MedianScales)
    states: list[_ScaleState] = field(default_factory=list)
    level: LevelChart | None = None
    rate: RateChart | None = None
    anomaly: Anomaly | None = None

    def __post_init__(self) -> None:
        self.states = [_ScaleState() for _ in self.medians.scales]
        self.level = LevelChart(self.spec.level) if self.spec.level else None
        self.rate = RateChart() if self.spec.rate else None

    @property
    def forecast(self) -> Forecast | None:
        """The one with the narrowest interval, of the scales that have one."""
        found = [state.forecast for state in self.states if state.forecast]
        return min(found, key=lambda one: one.eta_high_s - one.eta_low_s, default=None)

    @property
    def chart(self) -> LevelChart | RateChart | None:
        return self.level or self.rate

    def withdraw_forecasts(self) -> None:
        """It says nothing: what was forecast is reported again with the first median that says so.

        An anomaly lasts through a pause; a resource's has gone with its subject.
        """
        for state in self.states:
            if state.forecast:
                state.forecast, state.hits = None, HITS - 1
        if not self.spec.pauses:
            self.anomaly = None


class Predictor:
    """Takes signals one by one (some 10 µs; 0.3 ms when windows are judged), keeps findings up to date."""

    def __init__(self, settle_s: float = SETTLE_S) -> None:
        self._settle_ns = round(settle_s * 1e9)
        self.series: dict[Key, Series] = {}
        self.charted = self.ready_intervals = 0
        """Intervals of all charts, and those of them that came when the baseline was learned."""

    def feed(self, now_ns: int, signal: Signal) -> None:
        """A gauge's value at `now_ns`: forecasts. Times of one series increase."""
        series = self._series(now_ns, signal)
        if not series.spec.forecast or signal.limit <= 0 or now_ns - series.began_ns < self._settle_ns:
            return
        new = series.medians.add(now_ns / 1e9, signal.value)
        for number in range(new):
            self._update_forecast(series, number, now_ns)
        if new:
            _retract(series)

    def feed_interval(self, now_ns: int, signal: Signal) -> None:
        """The level, or the errors, of an interval that has just ended: charts."""
        series = self._series(now_ns, signal)
        if series.chart is not None:
            self.charted += 1
            self.ready_intervals += series.chart.ready
        if series.level is not None:
            series.level.add(signal.value, signal.limit)
            self._note(series, now_ns, series.level)
        elif series.rate is not None:
            series.rate.add(signal.value)
            self._note(series, now_ns, series.rate)

    def review(self, now_ns: int) -> None:
        """Every ten seconds or so: takes back forecasts of silent series, and drops those that have ended."""
        self.series = {key: one for key, one in self.series.items() if now_ns - one.last_ns < FORGET_NS}
        for series in self.series.values():
            if now_ns - series.last_ns >= QUIET_NS:
                series.withdraw_forecasts()

    def charts(self) -> dict[Key, bool]:
        """All that are charted: whether the chart has learned its baseline. From any thread."""
        return {key: chart.ready for key, one in list(self.series.items()) if (chart := one.chart)}

    def forecasts(self) -> tuple[Forecast, ...]:
        """All that are confident, soonest first; of several limits of a resource the one that comes first."""
        found = [forecast for one in self.series.values() if (forecast := one.forecast)]
        first: dict[tuple[str, str], Forecast] = {}
        for one in sorted(found, key=lambda one: one.t_ns + one.eta_s * 1e9):
            first.setdefault((one.resource, one.subject), one)
        return tuple(first.values())

    def anomalies(self) -> tuple[Anomaly, ...]:
        """All that last, worst first."""
        found = [one.anomaly for one in self.series.values() if one.anomaly]
        return tuple(sorted(found, key=lambda one: -one.score))

    def _series(self, now_ns: int, signal: Signal) -> Series:
        series = self.series.get(signal.key)
        if series is None or series.life != signal.life:
            if series is not None:
                self._end(series.life)
            spec = SPECS[signal.name]
            series = self.series[signal.key] = Series(spec, signal.life, now_ns, signal, now_ns)
        series.last, series.last_ns = signal, now_ns
        return series

    def _end(self, life: str) -> None:
        """A life that is over is over for all of its series, also for those that rest."""
        self.series = {key: one for key, one in self.series.items() if one.life != life}

    def _update_forecast(self, series: Series, number: int, now_ns: int) -> None:
        scale, state, signal = series.medians.scales[number], series.states[number], series.last
        found = time_to_limit(scale, signal.limit)
        if isinstance(found, Refusal):
            state.refusal, state.hits, state.misses = found, 0, state.misses + 1
            if state.misses >= HITS:
                state.forecast = None
            return
        state.hits, state.misses = state.hits + 1, 0
        if state.hits >= HITS or state.forecast:
            age_s = max(0.0, now_ns / 1e9 - scale.times[-1])
            state.forecast, state.floor = _forecast(signal, found, age_s, now_ns), found.floor

    @staticmethod
    def _note(series: Series, now_ns: int, chart: LevelChart | RateChart) -> None:
        if not chart.alarmed:
            series.anomaly = None
            return
        since = series.anomaly.since_ns if series.anomaly else now_ns
        series.anomaly = _anomaly(series.last, chart, since)


def _retract(series: Series) -> None:
    """What has fallen below the beginning of its rise has given back all: no scale waits for its medians."""
    latest = series.medians.scales[0].values[-1]
    for state in series.states:
        if state.forecast and latest < state.floor:
            state.forecast, state.hits = None, 0


def _forecast(signal: Signal, found: TimeToLimit, age_s: float, now_ns: int) -> Forecast:
    low, eta, high = (max(0.0, value - age_s) for value in (found.eta_low_s, found.eta_s, found.eta_high_s))
    return Forecast(
        signal.name,
        signal.subject,
        signal.value,
        signal.limit,
        signal.source,
        eta,
        low,
        high,
        found.trend.confidence,
        found.span_s,
        now_ns,
    )


def _anomaly(signal: Signal, chart: LevelChart | RateChart, since_ns: int) -> Anomaly:
    what = f"{signal.name} of {signal.subject}"
    if isinstance(chart, LevelChart):
        text = f"{what}: {amount(signal.name, signal.value)}, baseline {amount(signal.name, chart.baseline)}"
        return Anomaly(signal.name, signal.subject, signal.value, chart.baseline, chart.score, since_ns, text)
    if chart.counts is not None:
        usual = chart.counts.baseline - 1
        text = f"{what}: {signal.value:.0f} an interval, baseline {usual:.0f}"
        return Anomaly(signal.name, signal.subject, signal.value, usual, chart.score, since_ns, text)
    text = f"{what}: in {chart.recent:.0%} of the intervals, baseline at most {chart.p0:.0%}"
    return Anomaly(signal.name, signal.subject, chart.recent, chart.p0, chart.score, since_ns, text)
