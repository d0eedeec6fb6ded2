"""Makes signals from the shared memory: each interval's latency tails, error counters, following errors.

`module` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fieldstack.prediction.disturbance import Disturbance
from fieldstack.prediction.signals import Metric, Signal
from fieldstack.status.histogram import percentile_ns
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_from_json
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import HaState, RtPhase

CELL = "cell"
TAIL = 0.999
_MIN_CYCLES = 1000
"""An interval with fewer has no 99.9th percentile."""


@dataclass(frozen=True, slots=True)
class _Counters:
    """What only grows while one RT process lives."""

    life: str
    """Epoch and pid: epochs begin again with the shared memory."""
    wake: list[int]
    exchange: list[int]
    wkc_errors: int
    lost_frames: int
    rx_errors: tuple[int, ...]
    operational: bool


class Telemetry:
    """`look` often (a microsecond or two), `interval` every ten seconds or so. Reads only.

    An interval counts if the same RT process cycled and the cell was operational at both of its ends;
    latencies and lost frames count only if the machine itself did not disturb it.
    """

    def __init__(self, store: DataStore, plan: BusPlan, disturbance: Disturbance | None = None) -> None:
        self._store, self._plan = store, plan
        self._disturbance = disturbance or Disturbance()
        self._following = [0] * len(plan.axes)
        self._before: _Counters | None = None
        self.intervals = self.disturbed = 0
        """Intervals that counted, and those of them whose latencies were left out: the machine held it up."""

    def sample(self) -> None:
        """Keeps the largest following errors of this interval."""
        try:
            status = self._store.rt_status()
        except TornRecordError:
            return
        for number in range(min(len(self._following), int(status.axis_count))):
            error = abs(int(status.axes[number].following_error))
            self._following[number] = max(self._following[number], error)

    def interval(self) -> Iterator[Signal]:
        """The signals of the interval that ends now; each is computed as it is asked for."""
        before, self._before = self._before, self._counters()
        following, self._following = self._following, [0] * len(self._following)
        disturbed = self._disturbance.is_disturbed(self._store.rt_pid, int(self._store.raw.rt_tid))
        now = self._before
        if before is None or now is None or before.life != now.life:
            return
        if before.operational and now.operational:
            self.intervals += 1
            self.disturbed += disturbed
            yield from self._signals(before, now, following, disturbed=disturbed)

    def _counters(self) -> _Counters | None:
        store = self._store
        try:
            status, bus, nonrt = store.rt_status(), store.rt_bus(), store.nonrt_status()
        except TornRecordError:
            return None
        count = min(len(self._plan.slaves), int(bus.slave_count))
        return _Counters(
            life=f"rt {int(status.epoch)}, pid {store.rt_pid}",
            wake=ffi.unpack(store.raw.statistics.wake.bucket, len(store.raw.statistics.wake.bucket)),
            exchange=ffi.unpack(
                store.raw.statistics.exchange.bucket, len(store.raw.statistics.exchange.bucket)
            ),
            wkc_errors=int(status.wkc_errors),
            lost_frames=int(status.lost_frames),
            rx_errors=tuple(int(bus.slaves[place].rx_errors) for place in range(count)),
            operational=store.rt_phase is RtPhase.CYCLING and nonrt.ha_state == HaState.OPERATIONAL,
        )

    def _signals(
        self, before: _Counters, now: _Counters, following: list[int], *, disturbed: bool
    ) -> Iterator[Signal]:
        life = now.life
        for place, (was, found) in enumerate(zip(before.rx_errors, now.rx_errors, strict=False)):
            slave = self._plan.slaves[place].name
            yield Signal(Metric.RX_ERRORS, f"slave:{slave}", found - was, 0, "", life)
        if disturbed:
            return
        for metric, was, found in (
            (Metric.WKC_ERRORS, before.wkc_errors, now.wkc_errors),
            (Metric.LOST_FRAMES, before.lost_frames, now.lost_frames),
        ):
            yield Signal(metric, CELL, found - was, 0, "", life)
        for axis, error in zip(self._plan.axes, following, strict=False):
            if not error:
                continue  # the axis stood: that is no better following
            limit = axis.following_error_max_counts
            yield Signal(
                Metric.FOLLOWING_ERROR, f"axis:{axis.name}", error, limit, "following_error_max", life
            )
        yield from self._tail(Metric.WAKE_TAIL, before.wake, now.wake, life)
        yield from self._tail(Metric.EXCHANGE_TAIL, before.exchange, now.exchange, life)

    def _tail(self, metric: Metric, before: list[int], now: list[int], life: str) -> Iterator[Signal]:
        grown = [found - was for was, found in zip(before, now, strict=True)]
        count = sum(grown)
        if count >= _MIN_CYCLES and min(grown) >= 0:
            limit = self._plan.cycle_time_ns
            yield Signal(metric, CELL, percentile_ns(grown, count, TAIL), limit, "the cycle time", life)


def load_plan(file: Path) -> BusPlan:
    """The bus plan that the cell runs on. OSError, PlanFormatError."""
    return plan_from_json(file.read_text(encoding="utf-8"))
