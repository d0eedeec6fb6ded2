"""Makes the whole of `/metrics` from one observation. The server answers each scrape with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from fieldstack.health.checks.probes import ENDPOINTS, EndpointVerdict
from fieldstack.health.metrics import bus, cell, host, nonrt_status
from fieldstack.health.metrics.families import gauges
from fieldstack.health.model.result import ORDER
from fieldstack.health.model.settings import HealthSettings
from fieldstack.health.sources.observer import Observer


def _version() -> str:
    try:
        return version("fieldstack")
    except PackageNotFoundError:
        return "unknown"


class Metrics(Collector):
    """`verdict` gives what an endpoint says now; it is set by who has the checks."""

    verdict: Callable[[str], EndpointVerdict]

    def __init__(self, settings: HealthSettings, observer: Observer) -> None:
        self._settings = settings
        self._observer = observer
        self._version = _version()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(namespace="fieldstack_health", registry=self._registry)

    def render(self) -> tuple[bytes, str]:
        """The text format and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        seen = self._observer.observation
        yield gauges(
            "fieldstack_info",
            "Which cell this is, and the version of its health server",
            ["cell", "version"],
            [((self._settings.instance, self._version), 1.0)],
        )
        yield from self._verdicts()
        now_ns = time.monotonic_ns()
        samples = (seen.memory, seen.control, seen.disk, seen.clock, seen.setup)
        yield gauges(
            "fieldstack_observation_age_seconds",
            "Age of the last look of each source; -1: never looked",
            ["source"],
            (((one.source,), -1.0 if (age := one.age_s(now_ns)) is None else age) for one in samples),
        )
        if seen.memory.value is not None:
            yield from cell.families(seen.memory.value)
            yield from bus.families(seen.memory.value)
        yield from host.families(seen)
        yield from nonrt_status.families(seen.control.value or {})

    def _verdicts(self) -> Iterator[Metric]:
        verdicts = {name: self.verdict(name) for name in ENDPOINTS}
        yield gauges(
            "fieldstack_endpoint_ok",
            "1: this health endpoint answers 200",
            ["endpoint"],
            (((name,), float(one.code == 200)) for name, one in verdicts.items()),
        )
        yield gauges(
            "fieldstack_check_level",
            "What a health check says: 0 pass, 1 warn, 2 fail",
            ["check"],
            (((one.name,), float(ORDER.index(one.level))) for one in verdicts["healthz"].results),
        )
