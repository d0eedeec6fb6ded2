"""The state of a cell at one moment, as plain data: the dashboard shows it and `--json` prints it.

`take` reads the store. Values that it cannot know because a process is down are marked as unknown, and never
shown as they last were.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from fieldstack.ha.monitor.liveness_in_force import BUILT_IN, LivenessRules
from fieldstack.host.memory_lock import MemoryLock, memory_lock
from fieldstack.status.endpoint import read_endpoint
from fieldstack.status.histogram import Latency, latency
from fieldstack.status.liveness import LIVE, ProcessView, core_view, nonrt_view, rt_view
from fieldstack.status.snapshot_bus import (
    AxisView,
    BusView,
    MotionView,
    axes_of,
    bus_of,
    motion_of,
    name_of,
    text_of,
)
from fieldstack.status.snapshot_work import CheckpointView, WorkView, checkpoint_of, filed_s, work_of
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import GuardState, HaState, TripCause
from fieldstack_rt.datastore.memory import process_alive


@dataclass(frozen=True, slots=True)
class HaView:
    """`state` is UNSUPERVISED while no Non-RT process runs; `last_state` is the last one that it reported."""

    state: str
    last_state: str
    reason: str
    since: str | None
    restarts: int
    restart_budget: int


@dataclass(frozen=True, slots=True)
class GuardView:
    """The guard thread; `outputs_safe`: it has the bus and has read back that the outputs are safe."""

    state: str
    cause: str
    trips: int
    outputs_safe: bool


@dataclass(frozen=True, slots=True)
class EstopSourceView:
    """Who raised EMERGENCY_STOP, why, and whether a person's reset or the end of the cause clears it."""

    source: str
    clear: str
    reason: str
    pid: int
    since: str | None


@dataclass(frozen=True, slots=True)
class EstopView:
    """`obeyed`: the cycle thread has confirmed just this latch."""

    latched: bool
    obeyed: bool
    sources: tuple[EstopSourceView, ...]


@dataclass(frozen=True, slots=True)
class CycleView:
    """Counts since the RT process started; latencies since the shared memory was made."""

    period_us: float
    cycles: int
    lost: int
    late: int
    skipped: int
    wake: Latency
    exchange: Latency


@dataclass(frozen=True, slots=True)
class HealthView:
    """Where the health server answers; `problem`: why it does not. Both empty: none runs."""

    url: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class MemoryLocks:
    """Whether the memory of cycle and guard, which must be quick, is locked, as the kernel says now."""

    rt: MemoryLock = field(default_factory=MemoryLock)
    nonrt: MemoryLock = field(default_factory=MemoryLock)


@dataclass(frozen=True, slots=True)
class LivenessView:
    """The rules that say when a process is silent. `source`: `policy`, with the SHA-256 of the policy in
    force, or `built-in` if no policy is known."""

    source: str = "built-in"
    policy: str = ""

    @classmethod
    def of(cls, rules: LivenessRules) -> LivenessView:
        return cls("policy", rules.policy) if rules.policy else cls()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment. Times are UTC, ISO 8601; positions in the axes' units."""

    instance: str
    time: str
    cell: str
    """`up`, or `down`: there is no shared memory, or none of its processes runs."""
    operational: bool
    since: str | None
    """When the cell went down, if it is down and the time is known."""
    note: str
    live: bool
    """Whether bus, cycle, motion and axes are current; otherwise they are as RT left them."""
    rt: ProcessView
    nonrt: ProcessView
    core: ProcessView
    ha: HaView
    guard: GuardView
    estop: EstopView
    bus: BusView
    cycle: CycleView
    motion: MotionView
    axes: tuple[AxisView, ...]
    health: HealthView = HealthView()
    work: WorkView = field(default_factory=WorkView)
    checkpoint: CheckpointView = field(default_factory=CheckpointView)
    memory_lock: MemoryLocks = field(default_factory=MemoryLocks)
    liveness: LivenessView = LivenessView()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Clock:
    """Turns CLOCK_MONOTONIC stamps into wall-clock text."""

    def __init__(self, now_ns: int, wall_s: float) -> None:
        self.now_ns = now_ns
        self._offset_s = wall_s - now_ns / 1e9

    @classmethod
    def read(cls) -> Clock:
        return cls(time.monotonic_ns(), time.time())

    @property
    def text(self) -> str:
        return wall_text(self.now_ns / 1e9 + self._offset_s)

    def at(self, stamp_ns: int) -> str | None:
        """None for 0: never."""
        return wall_text(stamp_ns / 1e9 + self._offset_s) if stamp_ns else None


def wall_text(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")


def take(store: DataStore, plan: BusPlan | None, clock: Clock, rules: LivenessRules = BUILT_IN) -> Snapshot:
    """A snapshot of an attached store. `plan` None: the bus plan is not known. `rules`: when a process is
    silent."""
    rt, nonrt = rt_view(store, clock, rules), nonrt_view(store, clock, rules)
    core = core_view(store, clock, rules)
    status = read(store.rt_status, store, "fs_rt_status")
    ha = _ha(store, nonrt, clock)
    live = rt.state in LIVE
    down = not (rt.alive or nonrt.alive)
    return Snapshot(
        instance=store.instance.name,
        time=clock.text,
        cell="down" if down else "up",
        operational=ha.state == HaState.OPERATIONAL.name and rt.running,
        since=clock.at(max(rt.stamp_ns, nonrt.stamp_ns)) if down else None,
        note="" if plan else "the bus plan of this instance is missing: names and units are not known",
        live=live,
        rt=rt,
        nonrt=nonrt,
        core=core,
        ha=ha,
        guard=_guard(store),
        estop=_estop(store, status, rt, clock),
        bus=bus_of(read(store.rt_bus, store, "fs_rt_bus"), status, plan, live=live),
        cycle=_cycle(store, status, plan),
        motion=motion_of(status, plan, permit=store.motion_permit),
        axes=axes_of(status, plan),
        health=_health(store.instance),
        liveness=LivenessView.of(rules),
        work=work_of(read(store.core_status, store, "fs_core_status"), plan, live=core.state in LIVE),
        checkpoint=checkpoint_of(
            store, read(store.checkpoint, store, "fs_checkpoint"), clock, _filed(store.instance)
        ),
        memory_lock=MemoryLocks(*(memory_lock(view.pid if view.alive else None) for view in (rt, nonrt))),
    )


def down(instance: Instance, clock: Clock, *, since: str | None, note: str) -> Snapshot:
    """A snapshot of a cell without shared memory."""
    absent = ProcessView.absent()
    nothing = Latency(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    return Snapshot(
        instance=instance.name,
        time=clock.text,
        cell="down",
        operational=False,
        since=since,
        note=note,
        live=False,
        rt=absent,
        nonrt=absent,
        core=absent,
        ha=HaView("UNSUPERVISED", HaState.NEVER.name, "", None, 0, 0),
        guard=GuardView(GuardState.OFF.name, TripCause.NONE.name, 0, outputs_safe=False),
        estop=EstopView(latched=False, obeyed=False, sources=()),
        bus=BusView.unknown(),
        cycle=CycleView(0.0, 0, 0, 0, 0, nothing, nothing),
        motion=MotionView(permit=False, stop_reason="NONE", stream=0, stream_state="IDLE"),
        axes=(),
        checkpoint=CheckpointView(filed=_filed(instance)),
    )


def read(reader: Any, store: DataStore, record: str) -> Any:
    """Reads a record; returns an empty one if its writer died inside a write."""
    try:
        return reader()
    except TornRecordError:
        return store.new(record)


def _ha(store: DataStore, nonrt: ProcessView, clock: Clock) -> HaView:
    status = read(store.nonrt_status, store, "fs_nonrt_status")
    last = name_of(HaState, status.ha_state)
    current = nonrt.running or last == HaState.SHUTDOWN.name
    return HaView(
        state=last if current else "UNSUPERVISED",
        last_state=last,
        reason=text_of(status.ha_reason),
        since=clock.at(status.ha_since_ns),
        restarts=int(status.rt_restarts),
        restart_budget=int(status.rt_restart_budget),
    )


def _filed(instance: Instance) -> str | None:
    stamp = filed_s(instance)
    return None if stamp is None else wall_text(stamp)


def _health(instance: Instance) -> HealthView:
    found = read_endpoint(instance)
    if found is None or not process_alive(found.pid):
        return HealthView()
    return HealthView(found.url, found.problem)


def _guard(store: DataStore) -> GuardView:
    status = read(store.guard_status, store, "fs_guard_status")
    return GuardView(
        state=name_of(GuardState, status.state),
        cause=name_of(TripCause, status.cause),
        trips=int(status.trips),
        outputs_safe=bool(status.state == GuardState.TRIPPED and status.confirmed_ns),
    )


def _estop(store: DataStore, status: Any, rt: ProcessView, clock: Clock) -> EstopView:
    state = store.estop.state()
    sources = tuple(
        EstopSourceView(
            source=note.source.name,
            clear="on_reset" if state.on_reset >> note.source & 1 else "on_recovery",
            reason=note.reason,
            pid=note.pid,
            since=clock.at(note.t_ns),
        )
        for note in state.notes
    )
    obeyed = state.latched and rt.running and int(status.estop_seen) == state.word
    return EstopView(latched=state.latched, obeyed=obeyed, sources=sources)


def _cycle(store: DataStore, status: Any, plan: BusPlan | None) -> CycleView:
    statistics = store.raw.statistics
    return CycleView(
        period_us=plan.cycle_time_ns / 1000 if plan else 0.0,
        cycles=int(status.cycle),
        lost=int(status.lost_frames),
        late=int(status.late_wakeups),
        skipped=int(status.skipped_cycles),
        wake=latency(statistics.wake),
        exchange=latency(statistics.exchange),
    )
