"""Causes one fault outside RT and measures from outside what follows; `incident_command` runs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldstack.bench.failover import segment_watch
from fieldstack.bench.failover.bench_cell import BenchCell, await_moving
from fieldstack.bench.failover.faults import FaultKind
from fieldstack.bench.failover.forced_stop import power_off_ns, standing_ns
from fieldstack.bench.failover.incident_faults import IGNORING_SLAVE, ORDERS, Times, fill_disk
from fieldstack.bench.failover.losses import Losses, missing_events, positions_differed, task_step
from fieldstack.bench.failover.scene import Before, Scene
from fieldstack.bench.failover.signs import SIGNS, first
from fieldstack.bench.harness.errors import ProgramError
from fieldstack.events.event import Event
from fieldstack.events.reader import EventReader
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_ethercat.segment.truth import EventKind as SlaveEventKind
from fieldstack_rt.datastore import Clear, DataStore, EstopSource

LOG_TIMEOUT_S = 3.0
LOG_POLL_S = 0.05
PHASE_S = 0.1


@dataclass(frozen=True, slots=True)
class Incident:
    """One run; times are ns since the fault. None: it was not seen.

    If the benchmark itself ends the fault (a slave has power again, a disk has room), `back_ns` and
    `moving_again_ns` count from then. `back_ns` of an ignored stop is when the axis stands still, counted
    from the stop.
    """

    number: int
    fault_ns: int
    detect_ns: int | None
    react_ns: int | None
    back_ns: int | None
    moving_again_ns: int
    losses: Losses
    latched: bool = False
    """EMERGENCY_STOP was latched all the time; the times of such a run are not counted."""
    notes: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        names = ("detect_ns", "react_ns", "back_ns", "moving_again_ns")
        times = {name.replace("_ns", "_ms"): _ms(getattr(self, name)) for name in names}
        return {
            "run": self.number,
            "t_ns": self.fault_ns,
            "latched": self.latched,
            **times,
            "lost": self.losses.to_json(),
            **self.notes,
        }


def _ms(value_ns: int | None) -> float | None:
    return None if value_ns is None else round(value_ns / 1e6, 3)


class IncidentBench:
    """Causes faults in one running cell, one after the other. `full` fills the state folder's file system."""

    def __init__(
        self,
        bench: BenchCell,
        store: DataStore,
        client: SegmentClient,
        settle_s: float,
        full: Callable[[], Path] | None = None,
    ) -> None:
        self._scene = Scene(bench, store, client)
        self._settle_s, self._full = settle_s, full
        self._reader = EventReader(bench.instance.state_dir)

    def run(self, number: int, kind: FaultKind) -> Incident:
        """Waits for a cell in motion, causes the fault, and waits until the cell moves again.

        Raises:
            ProgramError: the fault had no effect, or the cell did not come back.
        """
        scene = self._scene
        await_moving(scene.bench, scene.store)
        time.sleep(self._settle_s + scene.rng.uniform(0, PHASE_S))
        await_moving(scene.bench, scene.store)
        before = scene.before(self._reader)
        fault_ns, healed_ns = self._do(kind, before)
        if kind.takes_slaves:
            scene.await_(scene.started, "the cell moves again")
        moving_ns = await_moving(scene.bench, scene.store)
        return self._collect(number, kind, before, (fault_ns, healed_ns, moving_ns))

    def run_latched(self, number: int, kind: FaultKind) -> Incident:
        """The same while EMERGENCY_STOP is latched: the latch must stay, until a person resets it."""
        scene = self._scene
        await_moving(scene.bench, scene.store)
        estop = scene.store.estop
        estop.raise_(EstopSource.EXTERNAL, "a latch that must outlive the fault", until=Clear.ON_RESET)
        scene.await_standstill()
        time.sleep(self._settle_s)
        before = scene.before(self._reader)
        fault_ns, _ = self._do(kind, before)
        time.sleep(self._settle_s)
        lost = bin(before.latches & ~estop.state().on_reset).count("1")
        scene.await_(lambda: scene.asked("reset"), "a reset is accepted")
        scene.await_(lambda: scene.asked("start"), "a start is accepted")
        moving_ns = await_moving(scene.bench, scene.store)
        losses = self._losses(kind, before, self._events(kind, before, fault_ns), lost)
        return Incident(number, fault_ns, None, None, None, moving_ns - fault_ns, losses, latched=True)

    def _do(self, kind: FaultKind, before: Before) -> Times:
        if kind is not FaultKind.DISK_FULL:
            return ORDERS[kind](self._scene, before)
        if self._full is None:
            raise ProgramError("the benchmark", "disk-full needs a state folder of its own", "")
        return fill_disk(self._scene, self._full)

    def _events(self, kind: FaultKind, before: Before, healed_ns: int) -> list[Event]:
        """The log since the fault, when it shows the recovery; what comes too late counts as missing."""
        until = time.monotonic() + LOG_TIMEOUT_S
        while True:
            found = list(self._reader.read(before.event))
            if first(SIGNS[kind].back, found, healed_ns) is not None or time.monotonic() > until:
                return found
            time.sleep(LOG_POLL_S)

    def _collect(self, number: int, kind: FaultKind, before: Before, times: tuple[int, int, int]) -> Incident:
        fault_ns, healed_ns, moving_ns = times
        events = self._events(kind, before, healed_ns)
        signs = SIGNS[kind]
        detect, react = (first(sign, events, fault_ns) for sign in (signs.detect, signs.react))
        if kind is FaultKind.BOTH_KILL:
            detect, react = self._seen_by_slaves(before, fault_ns)
        back, back_from_ns = first(signs.back, events, healed_ns), healed_ns
        if kind is FaultKind.IGNORED_STOP:
            react, back = self._forced(before, fault_ns, healed_ns)
            back_from_ns = fault_ns
        return Incident(
            number=number,
            fault_ns=fault_ns,
            detect_ns=None if detect is None else detect - fault_ns,
            react_ns=None if react is None else react - fault_ns,
            back_ns=None if back is None else back - back_from_ns,
            moving_again_ns=moving_ns - healed_ns,
            losses=self._losses(kind, before, events, 0),
        )

    def _seen_by_slaves(self, before: Before, fault_ns: int) -> tuple[int | None, int | None]:
        """When the first watchdog expired, and when the last slave's outputs were safe."""
        found = segment_watch.events_since(self._scene.client, before.baseline)
        expiries = [
            event.t_ns
            for events in found.values()
            for event in events
            if event.kind is SlaveEventKind.WATCHDOG_EXPIRED and event.t_ns >= fault_ns
        ]
        return min(expiries, default=None), segment_watch.outputs_safe_ns(
            found, before.baseline.unsafe, fault_ns
        )

    def _forced(self, before: Before, fault_ns: int, healed_ns: int) -> tuple[int | None, int | None]:
        """When the drive that ignored the stop lost its power, and when its motor stood still."""
        events = self._scene.client.events(IGNORING_SLAVE, before.baseline.newest[IGNORING_SLAVE])
        samples = self._scene.client.trace(IGNORING_SLAVE)
        return power_off_ns(events, fault_ns), standing_ns(samples, fault_ns, healed_ns)

    def _losses(self, kind: FaultKind, before: Before, events: list[Event], latches: int) -> Losses:
        step = task_step(self._scene.store)
        rt = self._scene.store.rt_epoch - before.rt_epoch - kind.kills_rt
        core = self._scene.core_epoch() - before.core_epoch - kind.kills_core
        return Losses(
            events=missing_events(events, before.event),
            task_steps=max(0, before.step - step),
            latches=latches,
            positions=positions_differed(events),
            restarts=max(0, rt) + max(0, core),
        )
