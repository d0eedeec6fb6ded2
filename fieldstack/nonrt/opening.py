"""Opens what must be there before supervision begins: policy, event log, shared memory, guard.

Nothing is started or written while the policy may still be refused. The guard starts as early as possible:
until then nobody watches a running RT process. Used by `parts`.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fieldstack.events.log import EventLog
from fieldstack.ha.checkpoint.restoring import rt_runs
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy.in_force.cell_times import CellTimes
from fieldstack.nonrt.memory_claim import Claim, claim
from fieldstack.nonrt.policy_in_force import PolicyInForce
from fieldstack.nonrt.process_manager import make_process_manager
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.process.end_rt import Wire
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.memory import file_of
from fieldstack_rt.guard import Guard, GuardConfig
from fieldstack_rt.memory_lock import lock_for_the_guard

if TYPE_CHECKING:
    from fieldstack.nonrt.process_manager import Manager


@dataclass(frozen=True, slots=True)
class Opened:
    """The base for all parts of a Non-RT process."""

    settings: NonRtSettings
    started_ns: int
    """CLOCK_MONOTONIC."""
    instance: Instance
    cell: CellMap
    force: PolicyInForce
    log: EventLog
    claim: Claim
    predecessor: Predecessor
    guard: Guard
    unlocked: str
    """The part of this process's memory that is not locked, in words; empty: all is locked."""
    processes: Manager

    @property
    def store(self) -> DataStore:
        return self.claim.store

    @property
    def names(self) -> tuple[ProcessName, ...]:
        """The processes that are supervised."""
        return (ProcessName.RT, ProcessName.CORE) if self.settings.core_command else (ProcessName.RT,)

    @property
    def has_core(self) -> bool:
        return ProcessName.CORE in self.names


@dataclass(frozen=True, slots=True)
class Predecessor:
    """What the Non-RT process before this one left in the shared memory. Zeros: there is no trace of one."""

    pid: int = 0
    last_pass_ns: int = 0
    """Its last completed pass (CLOCK_MONOTONIC)."""
    failed: bool = False
    """It did not say that it ends."""

    @property
    def pid_and_pass(self) -> tuple[int, int]:
        return self.pid, self.last_pass_ns


def open_cell(settings: NonRtSettings, closing: ExitStack) -> Opened:
    """Opens in the order of the fields of `Opened`; what has to be closed goes to `closing`.

    Raises:
        What `nonrt.run` raises.
    """
    started_ns = time.monotonic_ns()
    instance = Instance(settings.instance)
    cell = CellMap.load(instance.plan_file)
    times = CellTimes(cell.cycle_us, settings.supervision_interval_ms, cell.stop_ms)
    force = PolicyInForce(Path(settings.policy_path), instance.policy_cache, times)
    log = _open_log(settings, instance)
    closing.callback(log.close)
    claimed = claim(instance, Wire.of(instance.plan_file, settings.rt_command))
    predecessor = _take_over(claimed.store)
    unlocked = lock_for_the_guard(file_of(instance.shm_name))
    guard = _start_guard(settings, claimed.store)
    closing.callback(guard.stop)
    processes = make_process_manager(settings, instance)
    closing.callback(processes.close)
    return Opened(
        settings=settings,
        started_ns=started_ns,
        instance=instance,
        cell=cell,
        force=force,
        log=log,
        claim=claimed,
        predecessor=predecessor,
        guard=guard,
        unlocked=str(unlocked or ""),
        processes=processes,
    )


def _open_log(settings: NonRtSettings, instance: Instance) -> EventLog:
    """EventLogBusyError: another Non-RT process has this instance."""
    instance.prepare()
    return EventLog(
        instance.state_dir,
        settings.event_segment_bytes,
        settings.event_total_bytes,
        spool=instance.spool_name,
    )


def _take_over(store: DataStore) -> Predecessor:
    """From now on this process counts as failed if it ends without announcing it."""
    pid, last_pass_ns = _last_pass(store)
    predecessor = Predecessor(pid, last_pass_ns, failed=not store.nonrt_stopping)
    store.nonrt_stopping = False
    store.motion_permit = _goes_on(store)
    return predecessor


def _last_pass(store: DataStore) -> tuple[int, int]:
    try:
        status = store.nonrt_status()
    except TornRecordError:
        return 0, 0
    return int(status.pid) or store.owner_before, int(status.pass_ns)


def _goes_on(store: DataStore) -> bool:
    """Whether RT was meant to continue, and works: the first decision says if it may. Otherwise the axes
    wait."""
    return store.motion_permit and store.agent_go_on_ns > 0 and rt_runs(store)


def _start_guard(settings: NonRtSettings, store: DataStore) -> Guard:
    config = GuardConfig(settings.guard_cpu, settings.guard_priority, settings.guard_threshold_cycles)
    return Guard(store, config).start()
