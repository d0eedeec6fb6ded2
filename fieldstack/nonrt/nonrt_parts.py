"""The parts of a Non-RT process, made in the order in which they need each other."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.alerts import open_alerts
from fieldstack.ha.actuators.core_control import CoreControl
from fieldstack.ha.actuators.degrade import is_limited
from fieldstack.ha.checkpoint import durable_state
from fieldstack.ha.checkpoint.cell_start import CellStart
from fieldstack.ha.checkpoint.fingerprint import fingerprint_of_file
from fieldstack.ha.checkpoint.restore_rules import UNREADABLE, Judgement, RestoreMode
from fieldstack.ha.checkpoint.restoring import rt_runs
from fieldstack.ha.checkpoint.state_checkpoint import CheckpointReports, StateCheckpoint
from fieldstack.ha.decision.decision_state import LIMITS_UNKNOWN, RECORD_UNREADABLE
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.measures import Probe
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.modules.modules import Modules
from fieldstack.ha.monitor.detections import Detections
from fieldstack.ha.monitor.history_keeper import HistoryKeeper
from fieldstack.ha.monitor.observer import Observer
from fieldstack.ha.monitor.process_monitor import ProcessMonitor
from fieldstack.ha.monitor.retried import Retries
from fieldstack.ha.policy.cell_times import CellTimes
from fieldstack.ha.probes.axes import Axes
from fieldstack.ha.probes.cycle import Cycle
from fieldstack.ha.probes.housekeeping import Housekeeping
from fieldstack.ha.probes.power import Power
from fieldstack.ha.probes.process_progress import ProcessProgress
from fieldstack.ha.probes.refused import RefusedAgain
from fieldstack.ha.probes.slaves import Slaves
from fieldstack.ha.probes.store_health import StoreHealth
from fieldstack.ha.probes.tasks import Tasks
from fieldstack.nonrt.failover_manager import Ports
from fieldstack.nonrt.memory_claim import Claim, claim
from fieldstack.nonrt.module_list import make_modules
from fieldstack.nonrt.operator_commands import OperatorCommandHandler, OperatorCommandPorts
from fieldstack.nonrt.policy_in_force import PolicyInForce, Reload
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.nonrt.status import StatusWriter
from fieldstack.nonrt.status_report import report
from fieldstack.nonrt.supervision import Supervision, SupervisionParts
from fieldstack.process.end_rt import Wire
from fieldstack.process.local import LocalProcessManager
from fieldstack_base.control.server import ControlServer
from fieldstack_base.instance import Instance
from fieldstack_base.units import NS_PER_S
from fieldstack_rt.datastore import Clear, DataStore, EstopSource, TornRecordError
from fieldstack_rt.datastore.memory import file_of
from fieldstack_rt.guard import Guard, GuardConfig
from fieldstack_rt.memory_lock import lock_for_the_guard

if TYPE_CHECKING:
    from fieldstack.process.systemd import SystemdProcessManager

    Manager = LocalProcessManager | SystemdProcessManager


MEMORY_REPLACED = "memory-replaced"
"""The rule under which people are told of an RT process that had to be ended for the memory."""
NONRT_RESTARTED = "nonrt-restarted"
"""Likewise, of a Non-RT process that ended unasked and was started anew."""
LATCHES_UNKNOWN = (
    "the checkpoint can not be read, and what a person had latched is not known: look, then reset"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """What has to be there before anything is supervised; a bad policy opens nothing."""

    settings: NonRtSettings
    started_ns: int
    instance: Instance
    force: PolicyInForce
    log: EventLog
    store: DataStore
    guard: Guard
    processes: Manager
    control: ControlServer
    cell: CellMap
    claim: Claim
    unlocked: str
    """What of this process's memory is not locked, in words; empty: nothing."""
    predecessor: tuple[int, int]
    """Pid and last completed pass of the Non-RT process before; zeros: there is no trace of one."""
    failed_before: bool
    """That one has not said that it ends."""

    @property
    def names(self) -> tuple[ProcessName, ...]:
        return (ProcessName.RT, ProcessName.CORE) if self.settings.core_command else (ProcessName.RT,)

    def disk_failed(self, why: str) -> None:
        self.log.append(EventKind.CHECKPOINT_FAILED, why=why)

    def disk_works(self) -> None:
        self.log.append(EventKind.CHECKPOINT_BACK)

    def report_restore(self, judgement: Judgement) -> None:
        fields: dict[str, Any] = judgement.to_dict()
        go_on = judgement.verdict is RestoreMode.GO_ON
        severity = Severity.INFO if go_on or judgement.rule == "first-start" else Severity.WARNING
        self.log.append(EventKind.CHECKPOINT_JUDGED, severity=severity, **fields)


def open_all(settings: NonRtSettings) -> Opened:
    """Raises what `NonRt` raises; then nothing was started."""
    started_ns = time.monotonic_ns()
    instance = Instance(settings.instance)
    cell = CellMap.load(instance.plan_file)
    times = CellTimes(cell.cycle_us, settings.supervision_interval_ms, cell.stop_ms)
    force = PolicyInForce(Path(settings.policy_path), instance.policy_cache, times)
    instance.prepare()
    log = EventLog(
        instance.state_dir,
        settings.event_segment_bytes,
        settings.event_total_bytes,
        spool=instance.spool_name,
    )
    claimed = claim(instance, Wire.of(instance.plan_file, settings.rt_command))
    store = claimed.store
    failed_before, store.nonrt_stopping = not store.nonrt_stopping, False
    store.motion_permit = _goes_on(store)
    unlocked = lock_for_the_guard(file_of(instance.shm_name))
    config = GuardConfig(settings.guard_cpu, settings.guard_priority, settings.guard_threshold_cycles)
    return Opened(
        settings,
        started_ns,
        instance,
        force,
        log,
        store,
        Guard(store, config).start(),
        _process_manager(settings, instance),
        ControlServer(instance.control_socket),
        cell,
        claimed,
        str(unlocked or ""),
        _predecessor(store),
        failed_before,
    )


def _goes_on(store: DataStore) -> bool:
    """RT was to go on meanwhile, and is at work: whether it may, the first decision says. Else axes wait."""
    return store.motion_permit and store.agent_go_on_ns > 0 and rt_runs(store)


def _predecessor(store: DataStore) -> tuple[int, int]:
    try:
        status = store.nonrt_status()
    except TornRecordError:
        return 0, 0
    return int(status.pid) or store.owner_before, int(status.pass_ns)


def _process_manager(settings: NonRtSettings, instance: Instance) -> Manager:
    if settings.process_manager == "systemd":
        from fieldstack.process.systemd import SystemdProcessManager

        units = {str(ProcessName.RT): settings.rt_unit}
        if settings.core_unit:
            units[ProcessName.CORE] = settings.core_unit
        return SystemdProcessManager(units, settings.target_unit)
    commands: dict[str, tuple[str, ...]] = {ProcessName.RT: settings.rt_command}
    pid_files = {ProcessName.RT: instance.pid_file("rt"), ProcessName.CORE: instance.pid_file("core")}
    if settings.core_command:
        commands[ProcessName.CORE] = settings.core_command
    kept = {str(name): path for name, path in pid_files.items() if name in commands}
    return LocalProcessManager(commands, instance.runtime_dir, kept, settings.process_log_bytes)


class Parts:
    """Everything that a pass works with, and what has to be closed in the end."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        store, log, state_dir = opened.store, opened.log, opened.instance.state_dir
        self.history = HistoryKeeper(state_dir, log, opened.disk_failed)
        self.retries = Retries(log)
        self._module_set = make_modules(opened.settings, opened.instance, store)
        self.alerts = open_alerts(opened.settings.alerts_file, opened.instance, log)
        self.modules = Modules((self.alerts, *self._module_set.modules))
        self.core = CoreControl(opened.instance.runtime_dir / "core.sock")
        self.checkpoint = self._make_checkpoint()
        self.command_handler = OperatorCommandHandler(
            OperatorCommandPorts(
                opened.control,
                store,
                log,
                opened.cell,
                self._status,
                self._reload,
                self.retries.inject if opened.settings.fault_injection else None,
            )
        )
        kept = self._restore()
        self.monitor = self._make_monitor()
        self.supervision = self._make_supervision(kept)

    # ---- making ----

    def _make_checkpoint(self) -> StateCheckpoint:
        opened = self._opened
        interval_ns = round(opened.force.policy.process(ProcessName.RT).checkpoint_interval_sec * NS_PER_S)
        reports = CheckpointReports(opened.disk_failed, opened.disk_works, opened.report_restore)
        plan = fingerprint_of_file(opened.instance.plan_file)
        core = ProcessName.CORE in opened.names
        made = StateCheckpoint(opened.store, opened.instance.state_dir, interval_ns, reports, plan, core=core)
        opened.force.listeners.append(made.follow_policy)
        return made

    def _make_monitor(self) -> ProcessMonitor:
        opened = self._opened
        self.detections = Detections(self.history.history, opened.log, opened.predecessor)
        core = ProcessName.CORE in opened.names
        monitor = ProcessMonitor(
            opened.store,
            opened.processes,
            opened.force.policy,
            self.detections,
            core=core,
            guard=opened.guard.status,
            cell=opened.cell,
        )
        opened.force.listeners.append(monitor.follow_policy)
        self._adopt(monitor)
        return monitor

    def _make_supervision(self, kept: dict[str, Any] | None) -> Supervision:
        opened, monitor = self._opened, self.monitor
        ports = Ports(
            opened.store,
            opened.processes,
            monitor,
            self.checkpoint,
            opened.log,
            self.alerts,
            lambda action: self.command_handler.answer(action, time.monotonic_ns()),
            opened.cell,
            self.core,
            self.modules,
            opened.settings.stop_timeout_ms / 1000,
        )
        observer = Observer(
            opened.store, opened.processes, opened.log, opened.names, monitor.note, guard=opened.guard.status
        )
        status = StatusWriter(opened.store, opened.started_ns)
        now_ns, wall_ns = time.monotonic_ns(), time.time_ns()
        life = CellStart(
            opened.settings.life, opened.settings.auto_start, opened.predecessor[1], opened.failed_before
        )
        state = durable_state.restore(kept, opened.force.policy, now_ns, wall_ns, life)
        if now_ns in state.budget(ProcessName.NONRT).restarts:
            self._tell_restart(len(state.budget(ProcessName.NONRT).restarts))
        for one in state.active_rules:
            if one.key.rule == RECORD_UNREADABLE:
                rule, subject = one.key
                told = opened.log.append(EventKind.ALERT, rule=rule, subject=subject, cause=one.cause)
                self.alerts.send(told)
        if is_limited(opened.store):
            state = replace(state, limits=LIMITS_UNKNOWN)
        parts = SupervisionParts(
            ports, opened.force, self._probes(), observer, self.command_handler, status, self.retries
        )
        return Supervision(parts, state)

    def _probes(self) -> dict[str, Probe]:
        """By name, as `measures.FACTS_BY_PROBE` has them."""
        store, view, cell = self._opened.store, self.monitor, self._opened.cell
        processes = self._opened.processes
        log, alerts = self._opened.log, self.alerts
        refused = {
            "channel": ("the receiver of alerts", alerts.refused),
            "disk": ("it does not take them", lambda: log.refused() | alerts.disk_refused()),
        }
        if isinstance(processes, LocalProcessManager):
            refused["spare"] = ("its warm spare", processes.spare_failures)
        return {
            "process-pace": ProcessProgress(view),
            "cycle": Cycle(view),
            "housekeeping": Housekeeping(view, store),
            "slaves": Slaves(view, cell),
            "axes": Axes(view, cell),
            "power": Power(view, cell),
            "shared-memory": StoreHealth(store),
            "tasks": Tasks(view),
            "refusals": RefusedAgain(refused),
            "checkpoint": self.checkpoint,
            "modules": self.modules,
            **self._module_set.prediction_service.probes,
        }

    # ---- how this life begins ----

    def _tell_restart(self, count: int) -> None:
        """Whoever keeps this process running tells nobody that it ends again and again."""
        pid = self._opened.predecessor[0]
        budget = self._opened.force.policy.budget(ProcessName.NONRT)
        within = f"within {budget.long_window_ns / 3.6e12:g} h" if budget else "so far"
        cause = (
            f"the Non-RT process before this one (pid {pid or 'not known'}) ended without being asked to, "
            f"and this one was started: {count} such restarts {within}; why, its log says (nonrt.log, or "
            "journalctl)"
        )
        told = self._opened.log.append(
            EventKind.ALERT, rule=NONRT_RESTARTED, subject=ProcessName.NONRT, cause=cause
        )
        self.alerts.send(told)

    def _restore(self) -> dict[str, Any] | None:
        """The checkpoint of the life before: what it says of latches, budgets and states."""
        restored, log = self.checkpoint.restore(), self._opened.log
        self._begin(restored.ha, restored.judgement)
        log.append(EventKind.CHECKPOINT_RESTORED, generation=restored.generation, remark=restored.remark)
        self._opened.report_restore(restored.judgement)
        return restored.ha

    def _begin(self, kept: dict[str, Any] | None, judgement: Judgement) -> None:
        """Say how this life begins; what a person latched outlives the shared memory."""
        opened = self._opened
        store, log = opened.store, opened.log
        after_request = durable_state.went_down_by_request(kept)
        unknown = judgement.rule == UNREADABLE
        first = "after what can not be read" if unknown else "first start"
        how = first if kept is None else "after an orderly end" if after_request else "after a failure"
        memory = "shared memory adopted" if store.adopted else "new shared memory"
        log.append(EventKind.NONRT_STARTED, pid=os.getpid(), how=f"{how}; {memory}")
        opened.force.apply(store, log)
        sources, reasons = durable_state.latched(kept)
        for source in EstopSource:
            if sources >> source & 1 and not store.adopted:
                store.estop.raise_(source, f"kept: {reasons}", until=Clear.ON_RESET)
        if unknown:
            store.estop.raise_(EstopSource.OTHER, LATCHES_UNKNOWN, until=Clear.ON_RESET)
        self._tell_claim(opened.claim)
        for degraded in filter(None, (*opened.guard.degraded, opened.unlocked, log.degraded)):
            log.append(EventKind.SUPERVISION, what=f"degraded: {degraded}")

    def _tell_claim(self, claimed: Claim) -> None:
        """What had to be done for the memory: people are to know. What was not read back waits for one."""
        log = self._opened.log
        for remark in claimed.remarks:
            log.append(EventKind.SUPERVISION, what=remark)
        for ending in claimed.endings:
            cause = f"the shared memory could not be adopted and was made anew: {ending}"
            told = log.append(EventKind.ALERT, rule=MEMORY_REPLACED, subject="datastore", cause=cause)
            self.alerts.send(told)
        if claimed.unsafe:
            self._opened.store.estop.raise_(EstopSource.OTHER, claimed.unsafe, until=Clear.ON_RESET)

    def _adopt(self, monitor: ProcessMonitor) -> None:
        for name in self._opened.names:
            handle = self._opened.processes.adopt(name)
            if handle is not None:
                monitor.began(name, time.monotonic_ns(), handle.pid, adopted=True)
                self._opened.log.append(EventKind.PROCESS_ADOPTED, process=name, pid=handle.pid)

    # ---- for the desk ----

    def _reload(self, file: Path | None) -> Reload:
        return Reload(self._opened.force, self._opened.store, self._opened.log, file)

    def _status(self) -> dict[str, Any]:
        more = {"checkpoint": self.checkpoint.describe(), "alerts": self.alerts.status()}
        more |= self._module_set.prediction_service.describe(time.monotonic_ns())
        return report(self.supervision, self.history.history, self.modules) | more

    # ---- end ----

    def close(self) -> None:
        self.modules.close()
        self.core.close()
        self.checkpoint.close()
        self.history.close()
