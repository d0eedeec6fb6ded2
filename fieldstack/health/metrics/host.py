"""Metrics of the machine: disk and clock. `/metrics` has them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from fieldstack.health.metrics.families import counter, gauge, gauges
from fieldstack.health.model.observation import ClockView, DiskView, Observation


def families(seen: Observation) -> Iterator[Metric]:
    yield from _disk(seen.disk.value or ())
    if seen.clock.value is not None:
        yield from _clock(seen.clock.value)


def _disk(views: tuple[DiskView, ...]) -> Iterator[Metric]:
    yield gauges(
        "fieldstack_disk_used_ratio",
        "Used share of the folder's file system",
        ["folder"],
        (((one.name,), one.used) for one in views),
    )
    yield gauges(
        "fieldstack_disk_free_bytes",
        "What an unprivileged process may still write",
        ["folder"],
        (((one.name,), float(one.free_bytes)) for one in views),
    )


def _clock(view: ClockView) -> Iterator[Metric]:
    yield counter("fieldstack_clock_jumps", "Steps of the wall clock seen by this server", view.jumps)
    yield gauge("fieldstack_clock_last_jump_seconds", "The last step; 0: none", view.last_jump_s)
    known = -1.0 if view.synchronized is None else float(view.synchronized)
    yield gauge("fieldstack_clock_synchronized", "1: kept by NTP, 0: not, -1: not known", known)
    yield gauge("fieldstack_clock_max_error_seconds", "The kernel's own estimate", view.max_error_s)
