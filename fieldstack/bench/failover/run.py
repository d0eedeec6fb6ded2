"""Causes one fault of RT and measures from outside what follows; `command` runs it."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from fieldstack.bench.failover import faults, segment_watch, stray_words
from fieldstack.bench.failover.bench_cell import BenchCell, await_moving, text_of
from fieldstack.bench.failover.faults import FaultKind
from fieldstack.bench.failover.segment_watch import SegmentBaseline
from fieldstack.bench.harness.errors import BenchError, ProgramError
from fieldstack.bench.harness.memory_pressure import ReclaimResult, reclaim_memory
from fieldstack.events.kinds import EventKind
from fieldstack.events.reader import EventReader
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_rt.datastore import DataStore, TornRecordError, counter_is_good
from fieldstack_rt.datastore.layout import RtPhase
from fieldstack_rt.datastore.memory import file_of

TRIP_TIMEOUT_S = 2.0
BACK_TIMEOUT_S = 20.0
POLL_S = 0.001
PHASE_S = 0.1
"""Faults come at a random moment within this time, so that they hit every part of a cycle."""


@dataclass(frozen=True, slots=True)
class Failover:
    """One run; all times are ns since the fault. None: it did not happen, or nobody saw it.

    `outputs_safe_ns` is the segment's stamp of the last slave. `back_in_op_ns` is when all slaves were in OP
    again, by the segment's stamps, and the cycle ran with the expected working counter. `steps_ns`: the
    recovery's steps.
    """

    number: int
    fault_ns: int
    detect_ns: int | None
    safe_frame_ns: int | None
    outputs_safe_ns: int | None
    back_in_op_ns: int
    moving_again_ns: int
    trips: int
    """More than one: RT failed again after it came back, for example because the whole machine stalled."""
    steps_ns: dict[str, int]
    pressed: ReclaimResult | None = None
    """Non-RT's memory after the kernel was asked to reclaim it; None: it was not asked."""
    stray: str = ""
    """The stray word, if the run has one."""
    stayed: bool = True
    """Whether RT survived the stray word."""

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.number,
            "t_ns": self.fault_ns,
            "detect_us": _us(self.detect_ns),
            "safe_frame_us": _us(self.safe_frame_ns),
            "outputs_safe_us": _us(self.outputs_safe_ns),
            "back_in_op_ms": round(self.back_in_op_ns / 1e6, 3),
            "moving_again_ms": round(self.moving_again_ns / 1e6, 3),
            "trips": self.trips,
            **({"stray": self.stray, "stayed": self.stayed} if self.stray else {}),
            "steps_ms": {name: round(value / 1e6, 3) for name, value in self.steps_ns.items()},
            **({"pressed": asdict(self.pressed)} if self.pressed is not None else {}),
        }


def _us(value_ns: int | None) -> float | None:
    return None if value_ns is None else round(value_ns / 1000, 1)


class FailoverBench:
    """Causes faults in one running cell, one after the other."""

    def __init__(
        self,
        bench: BenchCell,
        store: DataStore,
        client: SegmentClient,
        settle_s: float,
        *,
        pressure: bool = False,
    ) -> None:
        self._bench, self._store, self._client, self._settle_s = bench, store, client, settle_s
        self._pressure = pressure
        self._reader = EventReader(bench.instance.state_dir)
        self._random = random.Random()  # noqa: S311 - spreads the faults over the cycle

    def run(self, number: int, kind: FaultKind) -> Failover:
        """Waits for a cell in motion, causes the fault, and waits until the cell moves again.

        Raises:
            ProgramError: the cell did not come back.
            BenchError: the guard did not see the fault.
        """
        await_moving(self._bench, self._store)
        time.sleep(self._settle_s + self._random.uniform(0, PHASE_S))
        await_moving(self._bench, self._store)
        logged = max((event.sequence for event in self._reader.last(1)), default=0)
        before, epoch = segment_watch.baseline(self._client), self._store.rt_epoch
        trips = int(self._store.guard_status().trips)
        pressed = self._press()
        stray, stayed = "", True
        if kind is FaultKind.STRAY_WORD:
            word = stray_words.random_stray_write(self._random)
            stray = str(word)
            fault_ns, stayed = faults.inject_stray_write(word, self._store, trips)
        else:
            fault_ns = faults.inject(kind, self._store)
        guard = self._await_trip(kind, trips)
        seen = guard.trip_epoch == epoch
        cycling_ns = self._await_cycling(kind, epoch)
        moving_ns = await_moving(self._bench, self._store)
        return self._collect(
            Failover(
                number=number,
                fault_ns=fault_ns,
                detect_ns=int(guard.detected_ns) - fault_ns if seen else None,
                safe_frame_ns=int(guard.safe_frame_ns) - fault_ns if seen else None,
                outputs_safe_ns=None,
                back_in_op_ns=cycling_ns - fault_ns,
                moving_again_ns=moving_ns - fault_ns,
                trips=int(self._store.guard_status().trips) - trips,
                steps_ns=self._steps(logged, fault_ns),
                pressed=pressed,
                stray=stray,
                stayed=stayed,
            ),
            before,
        )

    def _press(self) -> ReclaimResult | None:
        if not self._pressure:
            return None
        return reclaim_memory(int(self._store.nonrt_status().pid), file_of(self._bench.instance.shm_name))

    def _await_trip(self, kind: FaultKind, trips: int) -> Any:
        """The guard's status of the trip."""
        until = time.monotonic() + TRIP_TIMEOUT_S
        while (guard := self._store.guard_status()).trips == trips:
            if time.monotonic() > until:
                raise BenchError(f"the guard did not trip within {TRIP_TIMEOUT_S:g} s of {kind.value}")
            time.sleep(POLL_S)
        return guard

    def _await_cycling(self, kind: FaultKind, epoch: int) -> int:
        """When a new RT process was first seen in OP: supervised, with the expected working counter."""
        until = time.monotonic() + BACK_TIMEOUT_S
        while not self._back(epoch):
            if time.monotonic() > until:
                reason = f"no OP within {BACK_TIMEOUT_S:g} s of {kind.value}"
                raise ProgramError("the cell", reason, text_of(self._bench.log))
            time.sleep(POLL_S)
        return time.monotonic_ns()

    def _back(self, epoch: int) -> bool:
        try:
            status = self._store.rt_status()
        except TornRecordError:
            return False
        fresh = status.epoch > epoch and self._store.rt_phase is RtPhase.CYCLING
        return bool(fresh and counter_is_good(status))

    def _steps(self, logged: int, fault_ns: int) -> dict[str, int]:
        """The recovery's steps from the event log: when each came first."""
        found: dict[str, int] = {}
        for event in self._reader.read(logged):
            if event.kind == EventKind.RECOVERY_STEP and event.t_ns >= fault_ns:
                found.setdefault(str(event.data["step"]), event.t_ns - fault_ns)
        return found

    def _collect(self, found: Failover, before: SegmentBaseline) -> Failover:
        """Adds the times that the segment knows."""
        events = segment_watch.events_since(self._client, before)
        safe_ns = segment_watch.outputs_safe_ns(events, before.unsafe, found.fault_ns)
        op_ns = segment_watch.back_in_op_ns(events, found.fault_ns)
        if op_ns is None:
            raise BenchError(f"run {found.number}: slaves did not leave OP and come back")
        return replace(
            found,
            outputs_safe_ns=None if safe_ns is None else safe_ns - found.fault_ns,
            back_in_op_ns=max(found.back_in_op_ns, op_ns - found.fault_ns),
        )
