"""Normal operation: runs a real cell with moving axes and applies sampler and method at their real rates.

`command` calls it.
"""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldstack.bench.failover import bench_cell
from fieldstack.bench.failover.bench_cell import BenchCell
from fieldstack.bench.harness.errors import BenchError
from fieldstack.bench.harness.report import Say
from fieldstack.bench.prediction.record import SignalFile, replay
from fieldstack.cell import configuration, locations
from fieldstack.ha.probes.resources import ResourceSampler, cell_pids
from fieldstack.prediction.findings import Anomaly, Forecast, duration
from fieldstack.prediction.module import PredictionModule
from fieldstack.prediction.predictor import Predictor
from fieldstack.status.up_record import read_record
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import HaState

POLL_S = 1.0
MEMORY_LIMIT_MB = dict.fromkeys(("fieldstack-rt", "fieldstack-core", "fieldstack-nonrt"), 256)
"""Five to ten times what they need. With the host's memory as limit, no false alarm would be possible."""
PROGRESS_S = 30.0


@dataclass(frozen=True, slots=True)
class Charts:
    """Which charts could have alarmed: a chart that never learned its baseline never alarms."""

    ready: int
    unready: tuple[str, ...]
    judged_share: float
    """The share of all charts' intervals that were judged; the others were for learning."""

    @property
    def text(self) -> str:
        missing = f"; never: {', '.join(self.unready)}" if self.unready else ""
        return (
            f"{self.ready} of {self.ready + len(self.unready)} charts had learned their baseline{missing}; "
            f"they judged {self.judged_share:.0%} of their intervals"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "ready": self.ready,
            "unready": list(self.unready),
            "judged_share": round(self.judged_share, 3),
        }


@dataclass(slots=True)
class Alarms:
    """Every finding; a forecast that is withdrawn and comes again is listed each time."""

    texts: list[dict[str, Any]] = field(default_factory=list)
    _shown: set[tuple[str, str, str]] = field(default_factory=set)
    _charts: dict[str, bool] = field(default_factory=dict)
    _judged_share: float = 0.0

    @property
    def charts(self) -> Charts:
        """The charts of the whole run: a chart that was ready once stays ready."""
        unready = tuple(name for name, ready in self._charts.items() if not ready)
        return Charts(len(self._charts) - len(unready), unready, self._judged_share)

    def chart(self, predictor: Predictor) -> None:
        """Reads which charts exist, and which of them have learned."""
        for (name, subject, _), ready in predictor.charts().items():
            what = f"{name} of {subject}"
            self._charts[what] = ready or self._charts.get(what, False)
        self._judged_share = predictor.ready_intervals / max(1, predictor.charted)

    def note(self, t_s: float, forecasts: tuple[Forecast, ...], anomalies: tuple[Anomaly, ...]) -> None:
        now = {("forecast", one.resource, one.subject): one.text for one in forecasts}
        now |= {("anomaly", one.name, one.subject): one.text for one in anomalies}
        for key, text in now.items():
            if key not in self._shown:
                self.texts.append({"at_s": round(t_s, 1), "kind": key[0], "text": text})
        self._shown = set(now)


@dataclass(frozen=True, slots=True)
class NormalResult:
    """`operational_share`: share of the readings of the HA state. `rt_starts`: 1 if the same RT ran all the
    time."""

    asked_s: float
    seconds: float
    alarms: tuple[dict[str, Any], ...]
    charts: Charts
    module: dict[str, Any]
    samples: int
    sample_us: float
    cpu_share: float
    operational_share: float
    rt_starts: int

    def to_json(self) -> dict[str, Any]:
        return {
            "asked_s": self.asked_s,
            "memory_limit_mb": MEMORY_LIMIT_MB,
            "seconds": round(self.seconds, 1),
            "false_alarms": len(self.alarms),
            "alarms": list(self.alarms),
            "series": self.module["series"],
            "charts": self.charts.to_json(),
            "intervals": self.module["intervals"],
            "disturbed_intervals": self.module["disturbed_intervals"],
            "samples": self.samples,
            "sample_us": round(self.sample_us, 1),
            "cpu_share": round(self.cpu_share, 5),
            "method_cpu_share": round(self.module["cpu_s"] / max(self.seconds, 1e-9), 5),
            "slowest_slice_us": self.module["slowest_slice_us"],
            "slices": self.module["slices"],
            "long_slices": self.module["long_slices"],
            "operational_share": round(self.operational_share, 4),
            "rt_starts": self.rt_starts,
        }


@dataclass(frozen=True, slots=True)
class NormalRequest:
    """`config`: of the cell; None: the demo cell. `record`: where to write the signals; None: nowhere."""

    seconds: float
    config: Path | None
    instance: str
    record: Path | None


def run_normal(request: NormalRequest, folder: Path, say: Say) -> NormalResult:
    """Runs its own cell for this time and watches it. Leaves nothing running. Raises ProgramError."""
    cell = configuration.load(locations.find(request.config))
    instance = Instance(request.instance or f"bench-{os.getpid()}")
    bench = BenchCell(cell, instance, "", folder / "up.log")
    try:
        with bench_cell.running(bench) as store, SignalFile(request.record) as file:
            return _watch(store, instance, request.seconds, file, say)
    finally:
        bench_cell.remove_traces(instance)


def _watch(store: DataStore, instance: Instance, seconds: float, file: SignalFile, say: Say) -> NormalResult:
    sampler = ResourceSampler(lambda: cell_pids(store), instance.state_dir, MEMORY_LIMIT_MB)
    record = read_record(instance)
    segment = (record.segment_pid,) if record and record.segment_pid else ()
    module = PredictionModule(
        store, instance.plan_file, sampler, record=file.write, hardware=lambda: segment, keep=False
    )
    alarms, looks, operational = Alarms(), 0, 0
    began, began_cpu, epoch = time.monotonic(), _cpu_s(), store.rt_epoch
    reported, costs = began, 0.0
    sampler.start()
    module.start()
    try:
        while (passed := time.monotonic() - began) < seconds and module.alive:
            time.sleep(min(POLL_S, seconds - passed))
            looks += 1
            operational += store.nonrt_status().ha_state == HaState.OPERATIONAL
            costs += sampler.last.cost_ns / 1000 if sampler.last else 0.0
            alarms.note(passed, module.findings.forecasts, module.findings.anomalies)
            alarms.chart(module.predictor)
            if time.monotonic() - reported >= PROGRESS_S:
                reported = time.monotonic()
                say(f"normal running: {duration(passed)} of {duration(seconds)}, {len(alarms.texts)} alarms")
    finally:
        module.stop()
        sampler.stop()
    passed = time.monotonic() - began
    if module.failure:
        raise BenchError(f"the prediction thread ended after {duration(passed)}: {module.failure}")
    return NormalResult(
        asked_s=seconds,
        seconds=passed,
        alarms=tuple(alarms.texts),
        charts=alarms.charts,
        module=module.describe(time.monotonic_ns()),
        samples=sampler.beat,
        sample_us=costs / max(1, looks),
        cpu_share=(_cpu_s() - began_cpu) / passed,
        operational_share=operational / max(1, looks),
        rt_starts=store.rt_epoch - epoch + 1,
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The result of a recorded run that was judged again."""

    seconds: float
    alarms: tuple[dict[str, Any], ...]
    charts: Charts

    def to_json(self) -> dict[str, Any]:
        count = len(self.alarms)
        found = {"seconds": round(self.seconds, 1), "false_alarms": count, "alarms": list(self.alarms)}
        return {**found, "charts": self.charts.to_json()}


def replay_normal(record: Path) -> ReplayResult:
    """Judges a recorded run again with today's method."""
    predictor, alarms = Predictor(), Alarms()
    first = last = 0
    for t_ns in replay(record, predictor):
        first, last = first or t_ns, t_ns
        alarms.note((t_ns - first) / 1e9, predictor.forecasts(), predictor.anomalies())
        alarms.chart(predictor)
    return ReplayResult((last - first) / 1e9, tuple(alarms.texts), alarms.charts)
