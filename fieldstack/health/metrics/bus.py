"""Metrics of the bus: the cycle, its latencies, working counter, slaves, axes. `/metrics` has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import Metric

from fieldstack.health.metrics.families import counter, counters, gauge, gauges
from fieldstack.health.metrics.histograms import family
from fieldstack.health.model.observation import MemoryView
from fieldstack_rt.datastore import TornRecordError

_SLAVE_COUNTERS = {
    "rx_errors": ("fieldstack_slave_rx_errors", "Frame and physical errors (registers 0x0300 and on)"),
    "lost_links": ("fieldstack_slave_lost_links", "Lost links (registers 0x0310 and on)"),
}
NO_DC = -(1 << 31)


def families(view: MemoryView) -> Iterator[Metric]:
    yield from _cycle(view)
    yield from _working_counter(view)
    yield from _slaves(view)
    yield from _axes(view)


def _cycle(view: MemoryView) -> Iterator[Metric]:
    cycle = view.snapshot.cycle
    yield gauge("fieldstack_cycle_period_seconds", "The cycle's period", cycle.period_us / 1e6)
    yield counter("fieldstack_cycles", "Completed cycles since the shared memory was made", view.rt_beat)
    yield counter("fieldstack_cycle_lost_frames", "Cycles of this RT process without an answer", cycle.lost)
    yield counter("fieldstack_cycle_late", "Cycles of this RT process that began a period late", cycle.late)
    yield counter("fieldstack_cycle_skipped", "Periods of this RT process without an exchange", cycle.skipped)
    if view.store is not None:
        statistics = view.store.raw.statistics
        yield family("fieldstack_cycle_wake_seconds", "Wake-up latency of the cycle", statistics.wake)
        yield family(
            "fieldstack_cycle_exchange_seconds", "Process data sent to received", statistics.exchange
        )


def _working_counter(view: MemoryView) -> Iterator[Metric]:
    bus = view.snapshot.bus
    known = -1 if bus.wkc is None else bus.wkc
    yield gauge("fieldstack_wkc", "Working counter of the last cycle; -1: no frame, or RT is down", known)
    yield gauge(
        "fieldstack_wkc_expected",
        "The lowest good working counter, without reported losses",
        bus.expected_wkc,
    )
    yield gauge("fieldstack_wkc_good", "1: as expected, in RT's own verdict", float(bus.wkc_good))
    yield counter("fieldstack_wkc_errors", "Cycles of this RT process with another one", bus.wkc_errors)
    yield counter("fieldstack_slave_recoveries", "Slaves that RT brought back", bus.recoveries)


def _slaves(view: MemoryView) -> Iterator[Metric]:
    slaves = view.snapshot.bus.slaves
    labels = ["slave", "position"]
    keys = [(one.name, str(one.position)) for one in slaves]
    yield gauges(
        "fieldstack_slave_operational",
        "1: the slave is in OP",
        labels,
        ((key, float(one.al_state == "OP")) for key, one in zip(keys, slaves, strict=True)),
    )
    yield gauges(
        "fieldstack_slave_al_status_code",
        "AL status code (0x0134); 0: no error",
        labels,
        ((key, float(one.al_status_code)) for key, one in zip(keys, slaves, strict=True)),
    )
    yield from _slave_details(_bus_record(view), keys, labels)


def _bus_record(view: MemoryView) -> Any:
    if view.store is None:
        return None
    try:
        return view.store.rt_bus()
    except TornRecordError:
        return None


def _slave_details(record: Any, keys: Sequence[tuple[str, str]], labels: list[str]) -> Iterator[Metric]:
    """Diagnosis counters as far as this layout has them."""
    states = [record.slaves[at] for at in range(len(keys))] if record is not None else []
    known = [field for field in _SLAVE_COUNTERS if all(hasattr(state, field) for state in states)]
    for field in known:
        name, text = _SLAVE_COUNTERS[field]
        pairs = zip(keys, states, strict=False)
        yield counters(name, text, labels, ((key, float(getattr(state, field))) for key, state in pairs))
    if all(hasattr(state, "dc_difference_ns") for state in states):
        yield gauges(
            "fieldstack_slave_dc_difference_seconds",
            "Difference to the reference clock (0x092C), of slaves with distributed clocks",
            labels,
            (
                (key, state.dc_difference_ns / 1e9)
                for key, state in zip(keys, states, strict=False)
                if state.dc_difference_ns != NO_DC
            ),
        )


def _axes(view: MemoryView) -> Iterator[Metric]:
    axes = view.snapshot.axes
    labels = ["axis", "unit"]
    keys = [(one.name, one.unit) for one in axes]
    pairs = list(zip(keys, axes, strict=True))
    yield gauges(
        "fieldstack_axis_position", "In the axis's unit", labels, ((k, a.position) for k, a in pairs)
    )
    yield gauges(
        "fieldstack_axis_velocity", "In the axis's unit a second", labels, ((k, a.velocity) for k, a in pairs)
    )
    yield gauges(
        "fieldstack_axis_following_error",
        "Target less position, in the axis's unit; 0 while the drive does not follow",
        labels,
        ((k, a.following_error) for k, a in pairs),
    )
    yield gauges(
        "fieldstack_axis_torque_ratio",
        "Of the rated torque: 1 is all of it",
        labels,
        ((k, a.torque_percent / 100) for k, a in pairs),
    )
    yield gauges(
        "fieldstack_axis_beyond_limit",
        "How far it stands beyond its upper position limit, or (below 0) its lower one, in its unit",
        labels,
        ((k, a.beyond_limit) for k, a in pairs),
    )
    yield gauges(
        "fieldstack_axis_fault",
        "1: the drive is in its fault state",
        labels,
        ((k, float(a.state == "FAULT")) for k, a in pairs),
    )
