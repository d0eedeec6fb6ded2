"""The cell of an incident: what faults and their measurement wait for, ask and compare with.

`incident` and `incident_faults` use it.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fieldstack.bench.failover import segment_watch
from fieldstack.bench.failover.bench_cell import BenchCell, is_moving, text_of
from fieldstack.bench.failover.losses import task_step
from fieldstack.bench.harness.errors import ProgramError
from fieldstack.events.reader import EventReader
from fieldstack.process.nonrt_client import ask
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import HaState

EFFECT_TIMEOUT_S = 20.0
POLL_S = 0.001
START_S = 0.1


@dataclass(frozen=True, slots=True)
class Before:
    """What the cell is compared with after the fault."""

    event: int
    step: int
    rt_epoch: int
    core_epoch: int
    nonrt_epoch: int
    latches: int
    baseline: segment_watch.SegmentBaseline


@dataclass(frozen=True, slots=True)
class Scene:
    """A running cell, its shared memory, and its virtual segment."""

    bench: BenchCell
    store: DataStore
    client: SegmentClient
    rng: random.Random = field(default_factory=random.Random)
    """Spreads the faults over the cycle."""

    def before(self, reader: EventReader) -> Before:
        """The cell as it is now."""
        store = self.store
        return Before(
            event=max((event.sequence for event in reader.last(1)), default=0),
            step=task_step(store),
            rt_epoch=store.rt_epoch,
            core_epoch=int(store.core_status().epoch),
            nonrt_epoch=store.nonrt_epoch,
            latches=store.estop.state().on_reset,
            baseline=segment_watch.baseline(self.client),
        )

    def await_(self, what: Callable[[], bool], text: str, timeout_s: float = EFFECT_TIMEOUT_S) -> None:
        """Waits until `what` holds. ProgramError if it does not in time."""
        until = time.monotonic() + timeout_s
        while not what():
            if time.monotonic() > until:
                reason = f"not within {timeout_s:g} s: {text}"
                raise ProgramError("the cell", reason, text_of(self.bench.log))
            time.sleep(POLL_S)

    def await_standstill(self) -> None:
        self.await_(lambda: not is_moving(self.store), "the axes stop")

    def asked(self, what: str) -> bool:
        """Whether Non-RT takes the command `what`; False if it cannot be reached."""
        with contextlib.suppress(ConnectionError):
            return ask(self.bench.instance, what, by="bench").accepted
        return False

    def started(self) -> bool:
        """Asks for a start once the cell is ready for one; whether the axes move."""
        ready = int(self.store.nonrt_status().ha_state) == HaState.OPERATIONAL
        if ready and not is_moving(self.store):
            self.asked("start")
            time.sleep(START_S)
        return is_moving(self.store)

    def core_epoch(self) -> int:
        try:
            return int(self.store.core_status().epoch)
        except TornRecordError:
            return 0

    def al_state(self, slave: int) -> int:
        return int(self.store.rt_bus().slaves[slave].al_state)
