"""Which modules a Non-RT process has, and how each is told apart from one that hangs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from fieldstack.cell.record import read_record
from fieldstack.ha.measures import Measure, Probe
from fieldstack.ha.modules import Module, ProcessModule, ThreadModule, ThreadPart
from fieldstack.ha.probes.resources import ResourceProbe, ResourceSampler, cell_pids
from fieldstack.ha.settings import NonRtSettings
from fieldstack.health.beat import START_GRACE_NS, TIMEOUT_NS, beat_file, read_beat
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.instance import Instance

if TYPE_CHECKING:
    from fieldstack.prediction.module import PredictionModule

BEAT_TIMEOUT_NS = 5_000_000_000
"""A thread that should make progress each second, and has made none for this long, hangs."""


class BeatWatch:
    """Tells a thread that hangs by its counter of completed rounds."""

    def __init__(self) -> None:
        self._beat = -1
        self._since_ns = time.monotonic_ns()

    def hangs(self, beat: int) -> str:
        """How long it has stood still, if that is too long; empty: it is well."""
        now_ns = time.monotonic_ns()
        if beat != self._beat:
            self._beat, self._since_ns = beat, now_ns
        still_ns = now_ns - self._since_ns
        return f"no progress for {still_ns / 1e9:.1f} s" if still_ns >= BEAT_TIMEOUT_NS else ""


class PredictionPart:
    """Prediction, and the sampler that it follows. What it has learned outlives its restart."""

    def __init__(self, sampler: ResourceSampler, prediction: PredictionModule) -> None:
        self._prediction, self._watch = prediction, BeatWatch()
        self._sampler, self._sampled = sampler, BeatWatch()
        prediction.start()

    def trouble(self) -> str:
        if self._prediction.failure or not self._prediction.alive:
            return self._prediction.failure or "its thread has ended"
        sampled = self._sampled.hangs(self._sampler.beat)
        return self._watch.hangs(self._prediction.beat) or (sampled and f"the resource sampler: {sampled}")

    def close(self) -> None:
        self._prediction.stop()


class Foresight:
    """Sampler and prediction, made in the module's thread: nothing that supervises waits for them.

    A probe, too: what both tell, once they are there.
    """

    def __init__(self, settings: NonRtSettings, instance: Instance, store: DataStore) -> None:
        self._settings, self._instance, self._store = settings, instance, store
        self._sampler: ResourceSampler | None = None
        self._prediction: PredictionModule | None = None
        self._probes: tuple[Probe, ...] = ()

    def begin(self) -> ThreadPart:
        """Again after a restart: sampler and what was learned stay."""
        from fieldstack.prediction.module import PredictionModule  # its method takes long to load

        if self._sampler is None:
            self._sampler = self._make_sampler()
        if self._prediction is None:
            self._prediction = PredictionModule(
                self._store,
                self._instance.plan_file,
                self._sampler,
                hardware=lambda: _virtual_segment(self._instance),
            )
            self._probes = (ResourceProbe(self._sampler), self._prediction.probe())
        return PredictionPart(self._sampler, self._prediction)

    def _make_sampler(self) -> ResourceSampler:
        store, limits = self._store, self._settings.memory_limits_mb()
        sampler = ResourceSampler(lambda: cell_pids(store), self._instance.state_dir, limits)
        sampler.start()
        return sampler

    def measures(self, now_ns: int) -> Iterable[Measure]:
        return chain.from_iterable([probe.measures(now_ns) for probe in self._probes])

    def describe(self, now_ns: int) -> dict[str, Any]:
        """For `status`."""
        return {"predictions": self._prediction.describe(now_ns) if self._prediction else {}}

    def close(self) -> None:
        if self._sampler is not None:
            self._sampler.stop()


@dataclass(frozen=True, slots=True)
class ModuleSet:
    """The modules, and what some of them share."""

    modules: tuple[Module, ...]
    foresight: Foresight


def make_modules(settings: NonRtSettings, instance: Instance, store: DataStore) -> ModuleSet:
    """Nothing runs yet."""
    foresight = Foresight(settings, instance, store)
    modules = (ThreadModule("prediction", foresight.begin), *_health(settings, instance))
    return ModuleSet(modules, foresight)


def _virtual_segment(instance: Instance) -> tuple[int, ...]:
    """Its pid, where `fieldstack up` plays the hardware."""
    record = read_record(instance)
    return (record.segment_pid,) if record is not None and record.segment_pid else ()


def _health(settings: NonRtSettings, instance: Instance) -> Iterator[Module]:
    if settings.health_command is None:
        return

    def hangs(pid: int, started_ns: int) -> str:
        """Its beat comes after each request that it has answered to itself."""
        beat, now_ns = read_beat(beat_file(instance)), time.monotonic_ns()
        if beat is None or beat.pid != pid or not beat.at_ns:
            return "it has not begun to answer" if now_ns - started_ns > START_GRACE_NS else ""
        still_ns = now_ns - beat.at_ns
        return f"it has not answered for {still_ns / 1e9:.1f} s" if still_ns > TIMEOUT_NS else ""

    yield ProcessModule(
        "health", settings.health_command, instance.runtime_dir, settings.process_log_bytes, hangs
    )
