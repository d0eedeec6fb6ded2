"""The module `prediction` of the Non-RT process: prediction and the sampler that it follows, two threads.

`PredictionService` makes both in the module's own thread, for they take long to load. Used by `parts` and
`module_list`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fieldstack.ha.model.measures import Measure, Probe
from fieldstack.ha.modules.module import STARTING
from fieldstack.ha.modules.thread_module import ThreadPart
from fieldstack.ha.monitor.liveness import LivenessRule
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.status.up_record import read_record
from fieldstack_base.instance import Instance
from fieldstack_base.units import NS_PER_S
from fieldstack_rt.datastore import DataStore

if TYPE_CHECKING:
    from fieldstack.ha.probes.resources import ResourceSampler
    from fieldstack.prediction.module import PredictionModule

LIVENESS = LivenessRule.by_time(timeout_ns=5 * NS_PER_S, grace_ns=0)
"""A thread that should make progress each second, and has made none for this long, hangs. A start that takes
too long is its module's to judge."""
SAMPLER_STOP_S = 0.5
"""A sample takes less than a millisecond; a longer one hangs."""


class BeatWatch:
    """Tells a thread that hangs by its counter of completed rounds, which is `beat` at its start.

    It is at work only once it has completed a round: what hangs again at once never counts as restarted.
    """

    def __init__(self, beat: int) -> None:
        self._beat, self._moved = beat, False
        self._since_ns = time.monotonic_ns()

    def trouble(self, beat: int) -> str:
        """How long it has stood still, if that is too long, or that it has not begun; empty: it is well."""
        now_ns = time.monotonic_ns()
        if beat != self._beat:
            self._beat, self._since_ns, self._moved = beat, now_ns, True
        still_ns = now_ns - self._since_ns
        if LIVENESS.silent(still_ns):
            return f"no progress for {still_ns / 1e9:.1f} s"
        return "" if self._moved else STARTING


class PredictionPart:
    """Prediction, and the sampler that it follows. What it has learned outlives its restart."""

    def __init__(self, sampler: ResourceSampler, prediction: PredictionModule) -> None:
        self._prediction, self._watch = prediction, BeatWatch(prediction.beat)
        self._sampler, self._sampled = sampler, BeatWatch(sampler.beat)
        sampler.start()
        prediction.use_sampler(sampler)
        prediction.start()

    def trouble(self) -> str:
        if self._prediction.failure or not self._prediction.alive:
            return self._prediction.failure or "its thread has ended"
        return self._watch.trouble(self._prediction.beat) or self._sampler_trouble()

    def _sampler_trouble(self) -> str:
        found = self._sampler.failure or self._sampled.trouble(self._sampler.beat)
        return f"the resource sampler: {found}" if found and found != STARTING else found

    def close(self) -> None:
        """A thread that hangs is left behind, and ends when it wakes."""
        self._sampler.stop(SAMPLER_STOP_S)
        self._prediction.stop()


class LateProbe:
    """A probe that tells nothing until there is one."""

    def __init__(self) -> None:
        self.probe: Probe | None = None

    def measures(self, now_ns: int) -> Iterable[Measure]:
        return self.probe.measures(now_ns) if self.probe else ()


class PredictionService:
    """Sampler and prediction, made in the module's thread: nothing that supervises waits for them.

    `probes`: what both tell, once they are there.
    """

    def __init__(self, settings: NonRtSettings, instance: Instance, store: DataStore) -> None:
        self._settings, self._instance, self._store = settings, instance, store
        self._prediction: PredictionModule | None = None
        self.probes = {"resources": LateProbe(), "prediction": LateProbe()}
        self._begun = 0

    def begin(self) -> ThreadPart:
        """Again after a restart: what was learned stays; the sampler is a new one, for the old may hang."""
        from fieldstack.ha.probes import resources  # these take long to load
        from fieldstack.prediction.module import PredictionModule

        self._begun += 1
        mine, sampler = self._begun, self._make_sampler()
        if mine != self._begun:
            raise RuntimeError("it hung for so long that it was started again")
        if self._prediction is None:
            self._prediction = PredictionModule(
                self._store,
                self._instance.plan_file,
                sampler,
                hardware=lambda: _virtual_segment(self._instance),
            )
        self.probes["resources"].probe = resources.ResourceProbe(sampler)
        self.probes["prediction"].probe = self._prediction.probe()
        return PredictionPart(sampler, self._prediction)

    def _make_sampler(self) -> ResourceSampler:
        from fieldstack.ha.probes import resources

        store, limits = self._store, self._settings.memory_limits_mb()
        return resources.ResourceSampler(lambda: resources.cell_pids(store), self._instance.state_dir, limits)

    def describe(self, now_ns: int) -> dict[str, Any]:
        """For `status`."""
        return {"predictions": self._prediction.describe(now_ns) if self._prediction else {}}


def _virtual_segment(instance: Instance) -> tuple[int, ...]:
    """Its pid, where `fieldstack up` plays the hardware."""
    record = read_record(instance)
    return (record.segment_pid,) if record is not None and record.segment_pid else ()
