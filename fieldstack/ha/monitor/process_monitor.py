"""ProcessMonitor makes the facts of one moment out of shared memory, pidfds and the guard's status.

`Supervision` asks it in each pass; the FailoverManager tells it what it starts and stops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.facts import (
    BusFacts,
    EstopFacts,
    Facts,
    ProcessCondition,
    ProcessFacts,
)
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.axis_facts import axes_facts
from fieldstack.ha.monitor.detections import Detections
from fieldstack.ha.monitor.guard_watch import GuardWatch
from fieldstack.ha.monitor.process_watch import ProcessWatch, SignOfLife
from fieldstack.ha.monitor.rt_records import RtRecords
from fieldstack.ha.policy.in_force.view import Policy
from fieldstack.process.manager import ProcessManager
from fieldstack_rt.datastore import DataStore, RtEvent, TornRecordError

_OVER = frozenset({ProcessCondition.STOPPED, ProcessCondition.STOPPING})
_FAILED = frozenset({ProcessCondition.DEAD, ProcessCondition.SILENT, ProcessCondition.STOPPED})
_EXCHANGING = frozenset({ProcessCondition.RUNNING, ProcessCondition.STOPPING})


class ProcessMonitor:
    """Watches RT and Core. The FailoverManager calls `began`, `could_not_start` and `asked_to_end`."""

    def __init__(
        self,
        store: DataStore,
        processes: ProcessManager,
        policy: Policy,
        detections: Detections,
        *,
        core: bool,
        guard: Callable[[], Any] | None,
        cell: CellMap | None = None,
    ) -> None:
        """`guard`: gives the guard's status as it has it itself; None: there is no guard."""
        self._store = store
        self._processes = processes
        self._detections = detections
        names = (ProcessName.RT, ProcessName.CORE) if core else (ProcessName.RT,)
        self._watches = {name: ProcessWatch(policy.process(name), detections.history) for name in names}
        self._records = RtRecords(store, cell or CellMap())
        self._guard = GuardWatch(store, self._records, guard)
        self.rt_status: Any = None
        """These are the records of the last observation, for probes; None: torn, too old, or none's."""
        self.rt_bus: Any = None
        self.core_status: Any = None
        self._seen: dict[ProcessName, ProcessFacts] = {}

    def follow_policy(self, policy: Policy) -> None:
        """Use another policy from now on; observations so far stay."""
        for name, watch in self._watches.items():
            watch.watch_by(policy.process(name))

    def began(self, name: ProcessName, now_ns: int, pid: int, *, adopted: bool = False) -> None:
        self._watches[name].began(now_ns, pid, self._beat(name))
        if name is ProcessName.RT:
            self._records.began(adopted=adopted)
            self._guard.began()

    def has_pid(self, name: ProcessName, pid: int) -> None:
        self._watches[name].has_pid(pid)

    def could_not_start(self, name: ProcessName, now_ns: int, why: str) -> None:
        self._watches[name].could_not_start(now_ns, why)

    def asked_to_end(self, name: ProcessName) -> None:
        self._watches[name].asked_to_end()

    def start_id(self, name: ProcessName) -> int:
        """Which start of the process is the present one."""
        watch = self._watches.get(name)
        return watch.start_id if watch else 0

    def at_work(self, name: ProcessName) -> tuple[bool | None, str]:
        """Whether its present start works, by the last observation (None: not yet), and why not."""
        facts = self._seen.get(name)
        if facts is None or facts.start_id != self.start_id(name):
            return None, "not looked at yet"
        if facts.condition in _FAILED:
            return False, f"{facts.condition}: {facts.why or 'cause unknown'}"
        if facts.condition is not ProcessCondition.RUNNING:
            return None, f"{facts.condition}"
        return True, "at work"

    def note(self, event: RtEvent) -> None:
        """An event of RT says how RT sees Non-RT."""
        self._detections.reported_by_rt(event)

    def observe(self, now_ns: int) -> Facts:
        """The built-in facts of this moment. Reads only."""
        self._guard.read()
        self._records.read(now_ns)
        rt, core = self._rt_facts(now_ns), self._core_facts(now_ns)
        bus = self._bus_facts(now_ns, rt)
        self._detections.observe(now_ns, rt, self._last_rt_sign(rt))
        if core is not None:
            self._detections.observe(now_ns, core, self._last_sign(core))
            self._seen[core.name] = core
        self._seen[rt.name] = rt
        safe_moment = self.core_status is not None and bool(self.core_status.safe_moment)
        return Facts(
            rt,
            core,
            bus,
            self._guard.facts(),
            self.estop_facts(),
            axes=axes_facts(self.rt_status if bus.cycling else None),
            safe_moment=safe_moment,
            permitted=self._store.motion_permit,
        )

    # ---- processes ----

    def _last_rt_sign(self, rt: ProcessFacts) -> int:
        """The guard and the cycle's own stamp know it to the cycle. A start that never cycled has neither."""
        if self._guard.tripped:
            return self._guard.last_progress_ns
        return max(self._last_sign(rt), self._store.rt_beat_ns if self._records.epoch else 0)

    def _last_sign(self, process: ProcessFacts) -> int:
        watch = self._watches[process.name]
        return watch.progress_ns if watch.progress_ns != watch.started_ns else 0

    def _beat(self, name: ProcessName) -> int:
        return self._store.rt_beats if name is ProcessName.RT else self._store.core_beat

    def _rt_facts(self, now_ns: int) -> ProcessFacts:
        records = self._records
        sign = SignOfLife(
            beat=self._store.rt_beats,
            at_work=records.at_work,
            stopping=records.ending,
            released=records.released,
            stopped=records.released and self._store.rt_orderly_end == records.epoch,
        )
        facts = self._observe_process(ProcessName.RT, now_ns, sign)
        wanted = facts.stop_requested and facts.condition in _OVER
        return self._guard.tripped_facts(facts) if self._guard.tripped and not wanted else facts

    def _core_facts(self, now_ns: int) -> ProcessFacts | None:
        if ProcessName.CORE not in self._watches:
            return None
        self.core_status = self._core_record()
        beat = self._store.core_beat
        watch = self._watches[ProcessName.CORE]
        return self._observe_process(
            ProcessName.CORE, now_ns, SignOfLife(beat, at_work=beat != watch.first_beat)
        )

    def _core_record(self) -> Any:
        """Of the present Core: a record of its predecessor says nothing of it."""
        try:
            record = self._store.core_status()
        except TornRecordError:
            return None
        handle = self._processes.handle(ProcessName.CORE)
        return record if handle is not None and handle.pid == record.pid else None

    def _observe_process(self, name: ProcessName, now_ns: int, sign: SignOfLife) -> ProcessFacts:
        handle, ended = self._processes.handle(name), self._processes.ended(name)
        if handle is not None and handle.pid:  # a start by systemd has its pid only some time later
            self._watches[name].has_pid(handle.pid)
        return self._watches[name].observe(now_ns, sign, handle, ended)

    # ---- bus, latch ----

    def _bus_facts(self, now_ns: int, rt: ProcessFacts) -> BusFacts:
        """RT exchanges data while its beat shows that it works, until it has ended or announces its end."""
        self.rt_status = self.rt_bus = None
        if not self._records.at_work or rt.condition not in _EXCHANGING or self._records.ending:
            return BusFacts()
        self.rt_status, self.rt_bus = self._records.status(now_ns), self._records.bus(now_ns)
        return self._records.facts(now_ns)

    def estop_facts(self) -> EstopFacts:
        """The latch as it is now."""
        state = self._store.estop.state()
        if not state.latched:
            return EstopFacts()
        reasons = tuple(f"{note.source.name.lower()}: {note.reason}" for note in state.notes)
        return EstopFacts(state.on_reset, state.on_recovery, reasons)
