"""Which modules a Non-RT process has besides its alerts. Used by `parts`."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fieldstack.ha.modules.external_module import ExternalModule, ExternalProcess
from fieldstack.ha.modules.module import Module
from fieldstack.ha.modules.thread_module import ThreadModule
from fieldstack.nonrt.prediction_service import PredictionService
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.status.beat import LIVENESS, beat_file, read_beat
from fieldstack_base.instance import Instance
from fieldstack_base.proc.process import look_up, same_process


def make_modules(
    settings: NonRtSettings, instance: Instance, prediction: PredictionService
) -> tuple[Module, ...]:
    """Nothing runs yet."""
    return (ThreadModule("prediction", prediction.begin), *_health(settings, instance))


def _health(settings: NonRtSettings, instance: Instance) -> Iterator[Module]:
    """Where who started the cell keeps a health server running, it is watched."""
    if settings.health_server:
        yield ExternalModule("health", lambda: health_process(instance, time.monotonic_ns()))


def health_process(instance: Instance, now_ns: int) -> ExternalProcess:
    """Its beat comes after each request that it has answered to itself."""
    beat = read_beat(beat_file(instance))
    found = look_up(beat.pid) if beat is not None else None
    if beat is None or found is None or not found.alive:
        return ExternalProcess(0, "its process does not run")
    if not beat.at_ns:
        late = LIVENESS.overdue(now_ns - found.started_ns)
        return ExternalProcess(beat.pid, "it has not begun to answer" if late else "")
    if same_process(beat.pid, beat.at_ns) is None:
        return ExternalProcess(0, "its process does not run")
    still_ns = now_ns - beat.at_ns
    return ExternalProcess(
        beat.pid, f"it has not answered for {still_ns / 1e9:.1f} s" if LIVENESS.silent(still_ns) else ""
    )
