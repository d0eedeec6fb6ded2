"""Samples the resources of the cell's processes and of the host once a second, in a thread.

`ResourceProbe` gives the policy the last sample as measures; prediction follows the samples themselves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.probes.host import DiskReader, HostReader
from fieldstack.ha.probes.process_resources import ProcessReader
from fieldstack.ha.probes.readings import Reading, Resource, Sample
from fieldstack_rt.datastore import DataStore

PERIOD_S = 1.0
MAX_AGE_NS = 3_000_000_000
"""An older sample is not used: its process may have ended."""

_FACTS = {
    Resource.CPU: FactKind.CPU_HIGH,
    Resource.MEMORY: FactKind.MEMORY_HIGH,
    Resource.FILE_DESCRIPTORS: FactKind.FILE_DESCRIPTORS_HIGH,
    Resource.TEMPERATURE: FactKind.TEMPERATURE_HIGH,
    Resource.DISK: FactKind.DISK_FULL,
}

Pids = Callable[[], Mapping[str, int]]


def cell_pids(store: DataStore) -> dict[str, int]:
    """The pids of the cell's processes, as they wrote them into the shared memory; 0: it never ran."""
    return {
        ProcessName.RT: store.rt_pid,
        ProcessName.CORE: int(store.raw.core_status.pid),
        ProcessName.NONRT: int(store.raw.header.owner_pid),
    }


class ResourceSampler:
    """Takes one sample a period, in a thread of its own, from /proc and /sys; keeps the last one.

    `pids` is called in that thread and tells the processes by name. `beat` counts samples; `failure`: why the
    thread has ended by itself.
    """

    def __init__(
        self,
        pids: Pids,
        state_dir: Path,
        memory_limit_mb: Mapping[str, int] | None = None,
        period_s: float = PERIOD_S,
    ) -> None:
        self._pids, self._period_s = pids, period_s
        self._host, self._disk = HostReader(), DiskReader(state_dir)
        self._processes = ProcessReader(memory_limit_mb or {}, self._host.memory_bytes)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resources", daemon=True)
        self.last: Sample | None = None
        self.beat = 0
        self.failure = ""

    def start(self) -> None:
        self._disk.start()
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        self._stop.set()
        self._disk.stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def sample(self, now_ns: int) -> Sample:
        """Takes a sample now; some 0.3 ms."""
        began = time.monotonic_ns()
        readings = (
            *self._processes.read(now_ns, self._pids()),
            *self._host.read(now_ns),
            *self._disk.read(now_ns),
        )
        self.last = Sample(now_ns, readings, time.monotonic_ns() - began)
        self.beat += 1
        return self.last

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._period_s):
                self.sample(time.monotonic_ns())
        except Exception as error:  # supervision sees that and makes a new one
            self.failure = f"{type(error).__name__}: {error}"


class ResourceProbe:
    """The last sample as measures: for each fact and subject, the reading closest to its limit."""

    def __init__(self, sampler: ResourceSampler) -> None:
        self._sampler = sampler
        self._reported: tuple[int, tuple[Measure, ...]] = (-1, ())

    def measures(self, now_ns: int) -> tuple[Measure, ...]:
        sample = self._sampler.last
        if sample is None or now_ns - sample.t_ns > MAX_AGE_NS:
            return ()
        if sample.t_ns != self._reported[0]:
            self._reported = (sample.t_ns, tuple(_measures(sample.readings)))
        return self._reported[1]


def _measures(readings: tuple[Reading, ...]) -> Iterator[Measure]:
    worst: dict[tuple[FactKind, str], Reading] = {}
    for reading in readings:
        subject = (
            reading.subject.partition(":")[0] if reading.subject.startswith("host:") else reading.subject
        )
        key = (_FACTS[reading.resource], subject)
        if reading.limit > 0 and (key not in worst or _value(reading) > _value(worst[key])):
            worst[key] = reading
    for (fact, subject), reading in worst.items():
        yield Measure(fact, subject, _value(reading), _detail(reading))


def _value(reading: Reading) -> float:
    return reading.value if reading.resource is Resource.TEMPERATURE else reading.share


def _detail(reading: Reading) -> str:
    value, limit = amount(reading.resource, reading.value), amount(reading.resource, reading.limit)
    return f"{value} of {limit} ({reading.source})"


def amount(resource: Resource, value: float) -> str:
    """For people: with the resource's unit."""
    if resource in (Resource.MEMORY, Resource.DISK):
        return f"{value / 2**20:.0f} MiB"
    if resource is Resource.TEMPERATURE:
        return f"{value:.1f} °C"
    return f"{value:.2f} CPUs" if resource is Resource.CPU else f"{value:.0f}"
