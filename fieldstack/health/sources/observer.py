"""All sources of one cell, each read in its own thread. The server starts it; routes and metrics ask it."""

from __future__ import annotations

from typing import Any

from fieldstack.health.model.observation import Observation
from fieldstack.health.sources.clock import ClockSource
from fieldstack.health.sources.control import ControlSource
from fieldstack.health.sources.disk import DiskSource
from fieldstack.health.sources.memory import MemorySource
from fieldstack.health.sources.sampler import Sampler
from fieldstack.health.sources.setup import SetupSource
from fieldstack_base.instance import Instance

MEMORY_S, CONTROL_S, DISK_S, CLOCK_S, SETUP_S = 0.25, 1.0, 2.0, 1.0, 5.0


class Observer:
    """`observation` is always there at once."""

    def __init__(self, instance: Instance) -> None:
        folders = {"state": instance.state_dir, "runtime": instance.runtime_dir}
        self.memory = Sampler("memory", MemorySource(instance).read, MEMORY_S)
        self.control = Sampler("control socket", ControlSource(instance).read, CONTROL_S)
        self.disk = Sampler("disk", DiskSource(folders).read, DISK_S)
        self.clock = Sampler("clock", ClockSource().read, CLOCK_S)
        self.setup = Sampler(
            "real-time set-up", SetupSource(self._cycle_thread, nonrt=self._nonrt).read, SETUP_S
        )

    @property
    def _samplers(self) -> tuple[Sampler[Any], ...]:
        return (self.memory, self.control, self.disk, self.clock, self.setup)

    def _cycle_thread(self) -> tuple[int, int]:
        view = self.memory.sample.value
        if view is None or not view.snapshot.rt.alive:
            return 0, 0
        return view.snapshot.rt.pid or 0, view.rt_tid

    def _nonrt(self) -> int:
        view = self.memory.sample.value
        return (view.snapshot.nonrt.pid or 0) if view is not None and view.snapshot.nonrt.alive else 0

    def start(self, timeout_s: float) -> None:
        """Begin to look; waits for the first look at the memory at most `timeout_s`."""
        self.memory.start()
        self.memory.await_first(timeout_s)
        for sampler in self._samplers[1:]:
            sampler.start()

    @property
    def observation(self) -> Observation:
        return Observation(
            self.memory.sample, self.control.sample, self.disk.sample, self.clock.sample, self.setup.sample
        )

    def stop(self) -> None:
        for sampler in self._samplers:
            sampler.stop(1.0)
