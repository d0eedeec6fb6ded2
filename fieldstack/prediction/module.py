"""The module `prediction` of the Non-RT process: a thread follows all series and reports what it finds.

Non-RT starts it (`fieldstack.nonrt.prediction_service`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.probes.host import HOST
from fieldstack.ha.probes.readings import Reading, Resource, Sample
from fieldstack.ha.probes.resources import ResourceSampler
from fieldstack.prediction import learned_file
from fieldstack.prediction.disturbance import Disturbance, Pids
from fieldstack.prediction.findings import Anomaly, Forecast
from fieldstack.prediction.predictor import SETTLE_S, Predictor
from fieldstack.prediction.signals import SPECS, Signal
from fieldstack.prediction.telemetry import Telemetry, load_plan
from fieldstack_rt.datastore import DataStore

TICK_S = 0.2
INTERVAL_NS = 10_000_000_000
SAVE_NS = 60_000_000_000
LEARNED_FILE = "prediction.jsonl"
MAX_AGE_NS = 30_000_000_000
"""Older findings are not reported: the thread has stopped."""
LONG_SLICE_NS = 2_000_000
_YIELD_S = 0.0005
"""Between two series the thread sleeps: the supervision pass never waits for more than one of them."""

OutcomeRecorder = Callable[[int, Signal, str], None]


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found at one moment; the thread replaces it as a whole."""

    t_ns: int = 0
    forecasts: tuple[Forecast, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()


@dataclass(slots=True)
class _Means:
    """Resources that are charted by the interval: the mean of its readings."""

    sums: dict[tuple[str, str, str], tuple[float, int, Signal]] = field(default_factory=dict)

    def add(self, signal: Signal) -> None:
        total, count, _ = self.sums.get(signal.key, (0.0, 0, signal))
        self.sums[signal.key] = (total + signal.value, count + 1, signal)

    def take(self) -> Iterator[Signal]:
        for total, count, last in self.sums.values():
            yield Signal(last.name, last.subject, total / count, last.limit, last.source, last.life)
        self.sums = {}


class PredictionModule:
    """Follows the sampler's readings and the shared memory. `beat` counts completed rounds of the thread.

    `record`, if given, receives every signal (time, signal, `gauge` or `interval`), for a replay later on.
    `hardware`: pids of what stands in for hardware, the virtual segment's; see Disturbance.
    `keep`: what was learned is kept in the runtime folder each minute, and found again by the next Non-RT.
    """

    def __init__(
        self,
        store: DataStore,
        plan_file: Path,
        sampler: ResourceSampler,
        *,
        settle_s: float = SETTLE_S,
        record: OutcomeRecorder | None = None,
        hardware: Pids = tuple,
        keep: bool = True,
    ) -> None:
        self._store, self._plan_file, self._sampler = store, plan_file, sampler
        self._record, self._hardware = record, hardware
        self.predictor = Predictor(settle_s)
        self._telemetry: Telemetry | None = None
        self._means = _Means()
        self._seen_ns = self._interval_ns = self._saved_ns = 0
        self._learned_file = store.instance.runtime_dir / LEARNED_FILE if keep else None
        self.storage_problem = ""
        """Why nothing was remembered, or could not be kept; empty: all is well."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.findings = Findings()
        self.beat = 0
        self.failure = ""
        self.cpu_ns = 0
        """CPU time of the thread since its start."""
        self.slowest_slice_ns = 0
        """The longest that it has kept others from running Python, in CPU time (stolen time counts)."""
        self.slices = self.long_slices = 0
        """All, and those of 2 ms and more."""
        self._slice_ns = 0

    # ---- life ----

    def use_sampler(self, sampler: ResourceSampler) -> None:
        """Another sampler from now on."""
        self._sampler = sampler

    def start(self) -> None:
        """Also after `stop` or a failure: what was learned is kept."""
        self._stop.set()
        self._stop = threading.Event()  # a thread that hung ends when it wakes, and meets no second one
        self.failure = ""
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name="prediction", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self, stop: threading.Event) -> None:
        try:
            self._load_learned(time.monotonic_ns())
            while not stop.wait(TICK_S):
                self._slice_ns = time.thread_time_ns()
                self.round(time.monotonic_ns())
                self._yield_cpu(0.0)
                self.cpu_ns = time.thread_time_ns()
            self._save(time.monotonic_ns())
        except Exception as error:  # the beat stops, and supervision sees that and restarts it
            self.failure = f"{type(error).__name__}: {error}"

    # ---- one round ----

    def round(self, now_ns: int) -> None:
        """Takes what is new. Mostly some 10 µs; with a new sample a millisecond or so, in slices."""
        if self._telemetry is None:
            self._telemetry = Telemetry(
                self._store, load_plan(self._plan_file), Disturbance(hardware=self._hardware)
            )
        self._telemetry.sample()
        sample = self._sampler.last
        if sample is not None and sample.t_ns != self._seen_ns:
            self._seen_ns = sample.t_ns
            self._take(sample)
        if now_ns - self._interval_ns >= INTERVAL_NS:
            self._interval_ns = now_ns
            self._end_interval(now_ns, self._telemetry)
        if now_ns - self._saved_ns >= SAVE_NS:
            self._save(now_ns)
        predictor = self.predictor
        self.findings = Findings(now_ns, predictor.forecasts(), predictor.anomalies())
        self.beat += 1

    def _take(self, sample: Sample) -> None:
        for reading in sample.readings:
            if _has_no_baseline(reading):
                continue
            signal = Signal.of(reading)
            self._gauge(sample.t_ns, signal)
            if SPECS[signal.name].level is not None:
                self._means.add(signal)

    def _end_interval(self, now_ns: int, telemetry: Telemetry) -> None:
        for signal in self._means.take():
            self._interval(now_ns, signal)
        for signal in telemetry.interval():
            if SPECS[signal.name].forecast:
                self._gauge(now_ns, signal)
            self._interval(now_ns, signal)
        self.predictor.review(now_ns)

    def _gauge(self, t_ns: int, signal: Signal) -> None:
        self.predictor.feed(t_ns, signal)
        if self._record is not None:
            self._record(t_ns, signal, "gauge")
        self._yield_cpu()

    def _interval(self, t_ns: int, signal: Signal) -> None:
        self.predictor.feed_interval(t_ns, signal)
        if self._record is not None:
            self._record(t_ns, signal, "interval")
        self._yield_cpu()

    def _yield_cpu(self, seconds: float = _YIELD_S) -> None:
        """Lets the other threads run: slices of work stay short."""
        took_ns = time.thread_time_ns() - self._slice_ns
        self.slowest_slice_ns = max(self.slowest_slice_ns, took_ns)
        self.slices += 1
        self.long_slices += took_ns >= LONG_SLICE_NS
        time.sleep(seconds)
        self._slice_ns = time.thread_time_ns()

    # ---- what it keeps ----

    def _load_learned(self, now_ns: int) -> None:
        self._saved_ns = now_ns
        if self._learned_file is not None and not self.predictor.series:
            self.storage_problem = learned_file.load(self._learned_file, self.predictor, now_ns)

    def _save(self, now_ns: int) -> None:
        self._saved_ns = now_ns
        if self._learned_file is None:
            return
        try:
            for _ in learned_file.save(self._learned_file, self.predictor):
                self._yield_cpu()
        except OSError as error:
            self.storage_problem = f"{self._learned_file} cannot be written: {error.strerror}"

    # ---- what it reports ----

    def probe(self) -> PredictionProbe:
        """For the supervision pass."""
        return PredictionProbe(self)

    def describe(self, now_ns: int) -> dict[str, Any]:
        """For `status` and the metrics: forecasts, anomalies, and how the module itself does."""
        found, charts = self.findings, self.predictor.charts()
        return {
            "running": self.alive,
            "failure": self.failure,
            "age_s": round((now_ns - found.t_ns) / 1e9, 1) if found.t_ns else None,
            "remembered": self.storage_problem,
            "series": len(self.predictor.series),
            "charts": len(charts),
            "charts_ready": sum(charts.values()),
            "intervals": self._telemetry.intervals if self._telemetry else 0,
            "disturbed_intervals": self._telemetry.disturbed if self._telemetry else 0,
            "cpu_s": round(self.cpu_ns / 1e9, 3),
            "slowest_slice_us": self.slowest_slice_ns // 1000,
            "slices": self.slices,
            "long_slices": self.long_slices,
            "forecasts": [one.to_json(now_ns) for one in found.forecasts],
            "anomalies": [one.to_json() for one in found.anomalies],
        }


def _has_no_baseline(reading: Reading) -> bool:
    """The host's CPU is used by others as well: a threshold may be set on it, a baseline it has none."""
    return reading.resource is Resource.CPU and reading.subject == HOST


class PredictionProbe:
    """Forecasts and anomalies as measures: per fact and subject the worst."""

    def __init__(self, module: PredictionModule) -> None:
        self._module = module

    def measures(self, now_ns: int) -> Iterator[Measure]:
        found = self._module.findings
        if now_ns - found.t_ns > MAX_AGE_NS:
            return
        reported = set[tuple[FactKind, str]]()
        for forecast in found.forecasts:  # soonest first
            subject = _subject(forecast.subject)
            if (FactKind.PREDICTED_EXHAUSTION, subject) not in reported:
                reported.add((FactKind.PREDICTED_EXHAUSTION, subject))
                yield Measure(
                    FactKind.PREDICTED_EXHAUSTION, subject, forecast.eta_at(now_ns), forecast.text_at(now_ns)
                )
        for anomaly in found.anomalies:  # worst first
            subject = _subject(anomaly.subject)
            if (FactKind.ANOMALY, subject) not in reported:
                reported.add((FactKind.ANOMALY, subject))
                yield Measure(FactKind.ANOMALY, subject, anomaly.score, anomaly.text)


def _subject(subject: str) -> str:
    """A sensor's subject is the host's: `host:coretemp Package` -> `host`."""
    return HOST if subject.startswith(f"{HOST}:") else subject
