"""One fault of something else than the RT process alone, and what came of it, measured from outside."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldstack.bench.failover import faults, segment_watch
from fieldstack.bench.failover.bench_cell import BenchCell, await_moving, is_moving, text_of
from fieldstack.bench.failover.faults import FaultKind
from fieldstack.bench.failover.forced_stop import power_off_ns, standing_ns
from fieldstack.bench.failover.losses import Losses, missing_events, positions_differed, task_step
from fieldstack.bench.failover.signs import SIGNS, first
from fieldstack.bench.failover.stopped_thread import StoppedThread
from fieldstack.bench.harness.errors import ProgramError
from fieldstack.events.event import Event
from fieldstack.events.reader import EventReader
from fieldstack.process.nonrt_client import ask
from fieldstack_base.control.client import request
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_ethercat.segment.description.defects import Defect
from fieldstack_ethercat.segment.truth import EventKind as SlaveEventKind
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt.datastore import Clear, DataStore, EstopSource, TornRecordError
from fieldstack_rt.datastore.layout import HaState

EFFECT_TIMEOUT_S = 20.0
LEAK_MIB_S = 12
LEAK_TIMEOUT_S = 180.0
"""Room for the way to the limit of 512 MB, and for the safe moment that the restart is put off to."""
LOG_TIMEOUT_S = 3.0
POLL_S = 0.001
PHASE_S = 0.1
START_S = 0.1
AWAY_S = 0.5
"""How long a slave is without power."""
FULL_S = 8.0
"""How long a disk has no room: longer than the shipped policy waits with its alert."""
LOST_SLAVE = 1
IGNORING_SLAVE = IGNORING_AXIS = 3
"""Axis c of the demo cell: it turns, and has room to run on."""
FAST_COUNTS_S = 1e5
SLOW_MS = 2000
"""What a slave takes for PRE-OP while another one is lost."""
BLIND_MS = 1500
"""How long supervision can not see the axes."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One run; times are ns since the fault. None: it was not seen.

    Where a fault is taken away (a slave has power again, a disk room), `back_ns` and `moving_again_ns` count
    from then; but `back_ns` of an ignored stop is when the axis stands, from the stop on.
    """

    number: int
    fault_ns: int
    detect_ns: int | None
    react_ns: int | None
    back_ns: int | None
    moving_again_ns: int
    losses: Losses
    latched: bool = False
    """EMERGENCY_STOP was latched all the time; its times are not counted."""
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


@dataclass(frozen=True, slots=True)
class _Before:
    """What is compared with after the fault."""

    event: int
    step: int
    rt_epoch: int
    core_epoch: int
    nonrt_epoch: int
    latches: int
    baseline: segment_watch.SegmentBaseline


class IncidentBench:
    """Faults on one running cell, one after the other. `full` fills the state folder's file system up."""

    def __init__(
        self,
        bench: BenchCell,
        store: DataStore,
        client: SegmentClient,
        settle_s: float,
        full: Callable[[], Path] | None = None,
    ) -> None:
        self._bench, self._store, self._client = bench, store, client
        self._settle_s, self._full = settle_s, full
        self._reader = EventReader(bench.instance.state_dir)
        self._random = random.Random()  # noqa: S311 - spreads the faults over the cycle

    def run(self, number: int, kind: FaultKind) -> Incident:
        """From a cell in motion, through the fault, to a cell in motion.

        Raises:
            ProgramError: the fault had no effect, or the cell did not come back.
        """
        await_moving(self._bench, self._store)
        time.sleep(self._settle_s + self._random.uniform(0, PHASE_S))
        await_moving(self._bench, self._store)
        before = self._before()
        fault_ns, healed_ns = self._do(kind, before)
        if kind.takes_slaves:
            self._await(self._started, "the cell moves again")
        moving_ns = await_moving(self._bench, self._store)
        return self._collect(number, kind, before, (fault_ns, healed_ns, moving_ns))

    def run_latched(self, number: int, kind: FaultKind) -> Incident:
        """The same while EMERGENCY_STOP is latched: it must be so afterwards, until a person resets it."""
        await_moving(self._bench, self._store)
        estop = self._store.estop
        estop.raise_(EstopSource.EXTERNAL, "a latch that must outlive the fault", until=Clear.ON_RESET)
        self._await(lambda: not is_moving(self._store), "the latch stops the axes")
        time.sleep(self._settle_s)
        before = self._before()
        fault_ns, _ = self._do(kind, before)
        time.sleep(self._settle_s)
        lost = bin(before.latches & ~estop.state().on_reset).count("1")
        self._await(lambda: self._ask("reset"), "a reset is accepted")
        self._await(lambda: self._ask("start"), "a start is accepted")
        moving_ns = await_moving(self._bench, self._store)
        events = self._events(kind, before, fault_ns)
        losses = self._losses(kind, before, events, lost)
        return Incident(number, fault_ns, None, None, None, moving_ns - fault_ns, losses, latched=True)

    def _ask(self, what: str) -> bool:
        with contextlib.suppress(ConnectionError):
            return ask(self._bench.instance, what, by="bench").accepted
        return False

    def _before(self) -> _Before:
        store = self._store
        return _Before(
            event=max((event.sequence for event in self._reader.last(1)), default=0),
            step=task_step(store),
            rt_epoch=store.rt_epoch,
            core_epoch=int(store.core_status().epoch),
            nonrt_epoch=store.nonrt_epoch,
            latches=store.estop.state().on_reset,
            baseline=segment_watch.baseline(self._client),
        )

    # ---- faults ----

    def _do(self, kind: FaultKind, before: _Before) -> tuple[int, int]:
        """Does it and waits for its effect; returns when, and when it was taken away (the same, if never)."""
        others: dict[FaultKind, Callable[[], tuple[int, int]]] = {
            FaultKind.SLAVE_LOSS: self._lose_slave,
            FaultKind.SLOW_SLAVE: self._lose_beside_a_slow_one,
            FaultKind.BUS_POWER: self._lose_bus,
            FaultKind.RT_MAIN_STOPPED: lambda: self._stop_rts_main_thread(before),
            FaultKind.DISK_FULL: self._fill_disk,
            FaultKind.PROBE_EXCEPTION: self._blind_probe,
            FaultKind.IGNORED_STOP: self._ignore_stop,
        }
        if kind in others:
            return others[kind]()
        if kind.kills_nonrt:
            fault_ns = self._kill_nonrt(kind, before)
        else:
            fault_ns = self._fail_core(kind)
            timeout_s = LEAK_TIMEOUT_S if kind is FaultKind.MEMORY_LEAK else EFFECT_TIMEOUT_S
            self._await(lambda: self._core_epoch() > before.core_epoch, "Core is started again", timeout_s)
        return fault_ns, fault_ns

    def _kill_nonrt(self, kind: FaultKind, before: _Before) -> int:
        pids = [int(self._store.nonrt_status().pid)]
        if kind is FaultKind.BOTH_KILL:
            pids.append(self._store.rt_pid)
        fault_ns = faults.kill(*pids)
        beat = self._store.nonrt_beat
        self._await(lambda: self._store.nonrt_epoch > before.nonrt_epoch, "Non-RT is started again")
        self._await(lambda: self._store.nonrt_beat > beat, "Non-RT supervises again")
        if kind is FaultKind.BOTH_KILL:
            self._await(lambda: self._store.rt_epoch > before.rt_epoch, "RT is started again")
        return fault_ns

    def _fail_core(self, kind: FaultKind) -> int:
        if kind is FaultKind.CORE_KILL:
            return faults.kill(int(self._store.core_status().pid))
        order = (
            {"fault": "deadlock"}
            if kind is FaultKind.CORE_DEADLOCK
            else {"fault": "leak", "mib_per_s": LEAK_MIB_S}
        )
        fault_ns = time.monotonic_ns()
        answer = request(self._bench.instance.runtime_dir / "core.sock", "inject", 5.0, **order)
        if not answer.accepted:
            raise ProgramError("the Main Core", f"it does not take the fault: {answer.message}", "")
        return fault_ns

    def _lose_slave(self) -> tuple[int, int]:
        fault_ns = self._client.power_off(LOST_SLAVE)
        self._await(lambda: not is_moving(self._store), "the axes stop")
        time.sleep(AWAY_S)
        return fault_ns, self._client.power_on(LOST_SLAVE)

    def _lose_bus(self) -> tuple[int, int]:
        """All slaves at once, and all at once back: in INIT, without addresses."""
        fault_ns = self._client.power_off_all()
        self._await(lambda: not is_moving(self._store), "the axes stop")
        time.sleep(AWAY_S)
        return fault_ns, self._client.power_on_all()

    def _lose_beside_a_slow_one(self) -> tuple[int, int]:
        """The last slave takes SLOW_MS for PRE-OP; meanwhile another one forgets its address."""
        slow = int(self._store.rt_bus().slave_count) - 1
        self._client.slow_state(slow, AlState.PREOP, SLOW_MS)
        try:
            self._client.power_off(slow)
            self._await(lambda: self._al_state(slow) == 0, "the slow slave is lost")
            self._client.power_on(slow)
            self._await(lambda: self._al_state(slow) == AlState.INIT, "the slow slave is on its way")
            fault_ns = self._client.lose_address(LOST_SLAVE)
            self._await(lambda: self._al_state(slow) == AlState.OP, "the slow slave is back")
        finally:
            self._client.slow_state(slow, AlState.PREOP, 0)
        return fault_ns, fault_ns

    def _al_state(self, slave: int) -> int:
        return int(self._store.rt_bus().slaves[slave].al_state)

    def _stop_rts_main_thread(self, before: _Before) -> tuple[int, int]:
        """Its cycle thread runs on; whoever traces it passes its end on to its parent."""
        thread = StoppedThread(self._store.rt_pid)
        fault_ns = time.monotonic_ns()
        thread.stop()
        try:
            self._await(thread.reap, "RT is ended")
        finally:
            thread.release()
        self._await(lambda: self._store.rt_epoch > before.rt_epoch, "RT is started again")
        return fault_ns, fault_ns

    def _blind_probe(self) -> tuple[int, int]:
        """Asking the axes raises, in a cell that moves them; they move again when a person says so."""
        fault_ns = time.monotonic_ns()
        answer = ask(self._bench.instance, "inject", probe="axes", for_ms=BLIND_MS)
        if not answer.accepted:
            raise ProgramError("Non-RT", f"it does not take the fault: {answer.message}", "")
        self._await(lambda: not is_moving(self._store), "the axes stop")
        time.sleep(max(0.0, BLIND_MS / 1000 - (time.monotonic_ns() - fault_ns) / 1e9))
        self._await(self._started, "the cell moves again")
        return fault_ns, fault_ns + BLIND_MS * 1_000_000

    def _started(self) -> bool:
        """Asks for a start once the cell is ready for one."""
        ready = int(self._store.nonrt_status().ha_state) == HaState.OPERATIONAL
        if ready and not is_moving(self._store):
            with contextlib.suppress(ConnectionError):
                ask(self._bench.instance, "start", by="bench")
            time.sleep(START_S)
        return is_moving(self._store)

    def _ignore_stop(self) -> tuple[int, int]:
        """An EMERGENCY_STOP that a drive in motion does not hear; mended, reset, started once it stands."""
        self._await(self._is_fast, "the axis is fast")
        self._client.ignore(IGNORING_SLAVE, Defect.QUICK_STOP | Defect.SETPOINTS)
        fault_ns = time.monotonic_ns()
        self._store.estop.raise_(EstopSource.OPERATOR, "a drive does not hear it", until=Clear.ON_RESET)
        self._await(lambda: self._is_axis_in("axes_run_on"), "RT names the axis")
        self._await(lambda: self._is_axis_in("axes_standing"), "it stands in the end")
        healed_ns = self._client.ignore(IGNORING_SLAVE, Defect(0))
        self._await(lambda: self._ask("reset"), "a reset is accepted")
        self._await(self._started, "the cell moves again")
        return fault_ns, healed_ns

    def _is_fast(self) -> bool:
        return abs(self._client.truth()[IGNORING_SLAVE].velocity) > FAST_COUNTS_S

    def _is_axis_in(self, mask: str) -> bool:
        with contextlib.suppress(TornRecordError):
            return bool(int(getattr(self._store.rt_status(), mask)) >> IGNORING_AXIS & 1)
        return False

    def _fill_disk(self) -> tuple[int, int]:
        if self._full is None:
            raise ProgramError("the benchmark", "disk-full needs a state folder of its own", "")
        fault_ns = time.monotonic_ns()
        ballast = self._full()
        try:
            self._await(lambda: bool(self._disk_failure()), "a full disk is noticed")
            self._move_on(FULL_S + self._random.uniform(0, 1))  # off the beat of the saver's attempts
        finally:
            healed_ns = time.monotonic_ns()
            ballast.unlink()
        self._await(lambda: not self._disk_failure(), "the disk is used again")
        return fault_ns, healed_ns

    def _move_on(self, seconds: float) -> None:
        """The cell has to work all the time: tasks go on, and nothing is started anew."""
        step, until = task_step(self._store), time.monotonic() + seconds
        while time.monotonic() < until:
            if HaState(self._store.nonrt_status().ha_state) not in (HaState.OPERATIONAL, HaState.DEGRADED):
                raise ProgramError("the cell", "a full disk stopped it", text_of(self._bench.log))
            time.sleep(POLL_S)
        if task_step(self._store) <= step:
            raise ProgramError("the cell", "its tasks did not go on", text_of(self._bench.log))

    def _disk_failure(self) -> str:
        answer = ask(self._bench.instance, "status").data
        return str(answer["status"]["checkpoint"]["failure"])

    # ---- what came of it ----

    def _core_epoch(self) -> int:
        try:
            return int(self._store.core_status().epoch)
        except TornRecordError:
            return 0

    def _await(self, what: Callable[[], bool], text: str, timeout_s: float = EFFECT_TIMEOUT_S) -> None:
        until = time.monotonic() + timeout_s
        while not what():
            if time.monotonic() > until:
                reason = f"not within {timeout_s:g} s: {text}"
                raise ProgramError("the cell", reason, text_of(self._bench.log))
            time.sleep(POLL_S)

    def _events(self, kind: FaultKind, before: _Before, healed_ns: int) -> list[Event]:
        """The log since the fault, as soon as it tells of the way back; what is late counts as missing."""
        until = time.monotonic() + LOG_TIMEOUT_S
        while True:
            found = list(self._reader.read(before.event))
            if first(SIGNS[kind].back, found, healed_ns) is not None or time.monotonic() > until:
                return found
            time.sleep(0.05)

    def _collect(
        self, number: int, kind: FaultKind, before: _Before, times: tuple[int, int, int]
    ) -> Incident:
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

    def _seen_by_slaves(self, before: _Before, fault_ns: int) -> tuple[int | None, int | None]:
        """When the first watchdog expired, and when the last slave's outputs were safe."""
        found = segment_watch.events_since(self._client, before.baseline)
        expiries = [
            event.t_ns
            for events in found.values()
            for event in events
            if event.kind is SlaveEventKind.WATCHDOG_EXPIRED and event.t_ns >= fault_ns
        ]
        return min(expiries, default=None), segment_watch.outputs_safe_ns(
            found, before.baseline.unsafe, fault_ns
        )

    def _forced(self, before: _Before, fault_ns: int, healed_ns: int) -> tuple[int | None, int | None]:
        """When the drive that ignored the stop had no power any more, and when its motor stood."""
        events = self._client.events(IGNORING_SLAVE, before.baseline.newest[IGNORING_SLAVE])
        samples = self._client.trace(IGNORING_SLAVE)
        return power_off_ns(events, fault_ns), standing_ns(samples, fault_ns, healed_ns)

    def _losses(self, kind: FaultKind, before: _Before, events: list[Event], latches: int) -> Losses:
        step = task_step(self._store)
        rt = self._store.rt_epoch - before.rt_epoch - kind.kills_rt
        core = self._core_epoch() - before.core_epoch - kind.kills_core
        return Losses(
            events=missing_events(events, before.event),
            task_steps=max(0, before.step - step),
            latches=latches,
            positions=positions_differed(events),
            restarts=max(0, rt) + max(0, core),
        )
