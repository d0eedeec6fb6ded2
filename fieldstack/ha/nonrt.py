"""The Non-RT process: guard, supervision, operators' commands; adopts what runs, goes down in order."""

from __future__ import annotations

import gc
import os
import signal
import time
from pathlib import Path
from typing import Any

from fieldstack.control.server import ControlServer
from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha import durable_state
from fieldstack.ha.alerts import Alerts, JournalChannel
from fieldstack.ha.checkpoint.fingerprint import fingerprint_of_file
from fieldstack.ha.checkpoint.rule import Judgement, Verdict
from fieldstack.ha.detections import Detections
from fieldstack.ha.facts import Request, RequestKind
from fieldstack.ha.failover_manager import Ports
from fieldstack.ha.history_keeper import HistoryKeeper
from fieldstack.ha.loop import Loop
from fieldstack.ha.observer import Observer
from fieldstack.ha.operator import OperatorDesk
from fieldstack.ha.policy import load_policy
from fieldstack.ha.policy.schema import NS_PER_MS, NS_PER_S
from fieldstack.ha.process_monitor import ProcessMonitor
from fieldstack.ha.settings import NonRtSettings
from fieldstack.ha.state_checkpoint import CheckpointReports, StateCheckpoint
from fieldstack.ha.states import MOVING, HaState
from fieldstack.ha.status import StatusWriter
from fieldstack.ha.supervision import Supervision, SupervisionParts
from fieldstack.ha.vocabulary import ProcessName
from fieldstack.process.local import LocalProcessManager
from fieldstack_rt.datastore import Clear, DataStore, EstopSource
from fieldstack_rt.guard import Guard, GuardConfig
from fieldstack_rt.instance import Instance
from fieldstack_rt.sd_notify import notifier

URGENT_NS = 4 * NS_PER_MS
SPARE_AFTER_NS = 500 * NS_PER_MS
_ORDER_DOWN = (ProcessName.CORE, ProcessName.RT)


class NonRt:
    """One Non-RT process's life. The constructor opens everything; `run` returns when the cell is down.

    Raises:
        PolicyError: the policy is not usable; nothing was started.
        EventLogBusyError: another Non-RT process has this instance.
        StoreBusyError: a live RT process works on a memory of another layout.
    """

    def __init__(self, settings: NonRtSettings) -> None:
        self.settings = settings
        self._started_ns = time.monotonic_ns()
        self._policy = load_policy(Path(settings.policy_path))
        self._instance = Instance(settings.instance)
        self._instance.prepare()
        self._log = EventLog(
            self._instance.state_dir,
            settings.event_segment_bytes,
            settings.event_total_bytes,
            spool=self._instance.spool_name,
        )
        self._store = DataStore.create(self._instance)
        self._store.nonrt_stopping = False
        self._store.motion_permit = False
        self._guard = self._start_guard()
        self._processes = self._make_processes()
        self._control = ControlServer(self._instance.control_socket)
        self._loop = Loop(self._control, self._guard.fileno())
        self._supervision = self._make_supervision()

    # ---- making ----

    def _start_guard(self) -> Guard:
        settings = self.settings
        config = GuardConfig(settings.guard_cpu, settings.guard_priority, settings.guard_threshold_cycles)
        return Guard(self._store, config).start()

    def _make_processes(self) -> LocalProcessManager:
        settings, instance = self.settings, self._instance
        commands: dict[str, tuple[str, ...]] = {ProcessName.RT: settings.rt_command}
        pid_files = {ProcessName.RT: instance.pid_file("rt"), ProcessName.CORE: instance.pid_file("core")}
        if settings.core_command:
            commands[ProcessName.CORE] = settings.core_command
        kept = {str(name): path for name, path in pid_files.items() if name in commands}
        return LocalProcessManager(commands, instance.runtime_dir, kept, settings.process_log_bytes)

    @property
    def _names(self) -> tuple[ProcessName, ...]:
        return (ProcessName.RT, ProcessName.CORE) if self.settings.core_command else (ProcessName.RT,)

    def _make_supervision(self) -> Supervision:
        policy, store, log = self._policy, self._store, self._log
        self._history = HistoryKeeper(self._instance.state_dir, log, self._disk_failed)
        detections = Detections(self._history.history, log)
        core = self.settings.core_command is not None
        monitor = ProcessMonitor(store, self._processes, policy, detections, core=core, guard=True)
        checkpoint = self._make_checkpoint()
        desk = OperatorDesk(self._control, store, log, self._describe)
        restored = checkpoint.restore()
        kept = restored.ha
        self._begin(kept)
        log.append(EventKind.CHECKPOINT_RESTORED, generation=restored.generation, remark=restored.remark)
        self._tell_verdict(restored.judgement)
        self._adopt(monitor)
        ports = Ports(
            store,
            self._processes,
            monitor,
            checkpoint,
            log,
            Alerts((JournalChannel(self._instance.name),)),
            desk.answer,
            self.settings.stop_timeout_ms / 1000,
        )
        observer = Observer(store, self._processes, log, self._names, monitor.note)
        status = StatusWriter(store, self._started_ns)
        self._desk, self._checkpoint = desk, checkpoint
        now_ns = time.monotonic_ns()
        state = durable_state.restore(kept, policy, now_ns, time.time_ns())
        return Supervision(SupervisionParts(ports, policy, observer, desk, status), state)

    def _make_checkpoint(self) -> StateCheckpoint:
        interval_ns = round(self._policy.process(ProcessName.RT).checkpoint_interval_sec * NS_PER_S)
        reports = CheckpointReports(self._disk_failed, self._disk_works, self._tell_verdict)
        plan = fingerprint_of_file(self._instance.plan_file)
        return StateCheckpoint(self._store, self._instance.state_dir, interval_ns, reports, plan)

    def _begin(self, kept: dict[str, Any] | None) -> None:
        """Say how this life begins; what a person latched outlives the shared memory."""
        after_request = durable_state.went_down_by_request(kept)
        how = (
            "first start" if kept is None else "after an orderly end" if after_request else "after a failure"
        )
        memory = "shared memory adopted" if self._store.adopted else "new shared memory"
        self._log.append(EventKind.NONRT_STARTED, pid=os.getpid(), how=f"{how}; {memory}")
        sources, reasons = durable_state.latched(kept)
        for source in EstopSource:
            if sources >> source & 1 and not self._store.adopted:
                self._store.estop.raise_(source, f"kept: {reasons}", until=Clear.ON_RESET)
        for degraded in filter(None, (*self._guard.degraded, self._log.degraded)):
            self._log.append(EventKind.SUPERVISION, what=f"degraded: {degraded}")

    def _tell_verdict(self, judgement: Judgement) -> None:
        told: dict[str, Any] = judgement.to_dict()
        go_on = judgement.verdict is Verdict.GO_ON
        severity = Severity.INFO if go_on or judgement.rule == "first-start" else Severity.WARNING
        self._log.append(EventKind.CHECKPOINT_JUDGED, severity=severity, **told)

    def _adopt(self, monitor: ProcessMonitor) -> None:
        for name in self._names:
            handle = self._processes.adopt(name)
            if handle is not None:
                monitor.began(name, time.monotonic_ns(), handle.pid, adopted=True)
                self._log.append(EventKind.PROCESS_ADOPTED, process=name, pid=handle.pid)

    def _disk_failed(self, why: str) -> None:
        self._log.append(EventKind.CHECKPOINT_FAILED, why=why)

    def _disk_works(self) -> None:
        self._log.append(EventKind.CHECKPOINT_BACK)

    def _describe(self) -> dict[str, Any]:
        state, facts = self._supervision.state, self._supervision.facts
        return {
            "pid": os.getpid(),
            "ha": {"state": state.ha.name, "reason": state.reason, "since_ns": state.since_ns},
            "rt": {"pid": facts.rt.pid, "condition": facts.rt.condition, "why": facts.rt.why},
            "core": facts.core and {"pid": facts.core.pid, "condition": facts.core.condition},
            "conditions": {one.condition: one.cause for one in state.conditions},
            "estop": {"on_reset": facts.estop.on_reset, "on_recovery": facts.estop.on_recovery},
            "checkpoint": self._checkpoint.describe(),
            "history": self._history.history.to_dict(),
        }

    # ---- life ----

    def run(self) -> None:
        """Supervise until asked to go down (SIGTERM, SIGINT, or an operator)."""
        self._loop.catch_signals()
        gc.collect()
        gc.freeze()  # what is there now stays: no need to look through it again and again
        try:
            self._supervise()
            self._go_down()
        finally:
            self._close()

    def _supervise(self) -> None:
        pass_ns = self.settings.supervision_interval_ms * NS_PER_MS
        last_ns = 0
        while self._supervision.state.ha is not HaState.SHUTDOWN:
            gap_ns = URGENT_NS if self._supervision.urgent else pass_ns
            due, commands = self._loop.wait(last_ns + gap_ns)
            for command in commands:
                self._desk.take(command, time.monotonic_ns())
            if self._loop.signals and self._end_asked():
                return
            now_ns = time.monotonic_ns()
            if due or now_ns - last_ns >= gap_ns:
                last_ns = now_ns
                self._supervision.run(now_ns)
                self._history.keep(now_ns)
                self._tell_systemd(now_ns)
                self._watch_ends()
                self._keep_spare(now_ns)

    def _keep_spare(self, now_ns: int) -> None:
        """Once the cell runs well: nothing of a recovery is slowed down by making the next one quick."""
        state = self._supervision.state
        calm = state.ha in MOVING and now_ns - state.since_ns >= SPARE_AFTER_NS
        if self.settings.rt_spare and calm:
            self._processes.keep_spare(ProcessName.RT)

    def _tell_systemd(self, now_ns: int) -> None:
        state = self._supervision.state
        notifier().progress(now_ns, f"{state.ha.name}: {state.reason}")

    def _watch_ends(self) -> None:
        for name in self._names:
            handle = self._processes.handle(name)
            if handle is not None:
                self._loop.watch(handle.pid, handle.pidfd)

    def _end_asked(self) -> bool:
        """True: go down and leave RT running. Otherwise the decision core is asked to shut down."""
        name = signal.Signals(self._loop.signals[0]).name
        self._loop.signals.clear()
        if self.settings.leave_running:
            self._why = f"{name}; RT and Core are left running"
            return True
        self._why = name
        self._supervision.shut_down(Request(0, RequestKind.SHUTDOWN, name))
        return False

    _why = "asked by an operator"

    def _go_down(self) -> None:
        self._store.nonrt_stopping = True
        notifier().stopping(f"going down: {self._why}")
        self._log.append(EventKind.NONRT_STOPPED, pid=os.getpid(), why=self._why)
        if self._supervision.state.ha is not HaState.SHUTDOWN:
            self._store.motion_permit = False
            return
        for name in _ORDER_DOWN:
            if name in self._names:
                self._stop(name)
        self._supervision.finish()

    def _stop(self, name: ProcessName) -> None:
        """Stop one process and wait for its end, bounded; the beat goes on so that RT stops in order."""
        timeout_s = self.settings.stop_timeout_ms / 1000
        until = time.monotonic() + timeout_s + 1.0
        self._processes.stop(name, timeout_s)
        while self._processes.handle(name) is not None and time.monotonic() < until:
            time.sleep(0.005)
            self._processes.tick()
            self._supervision.finish()

    def _close(self) -> None:
        self._processes.discard_spares()
        self._guard.stop()
        self._control.close()
        self._loop.close()
        self._checkpoint.close()
        self._history.close()
        self._log.close()


def run(settings: NonRtSettings) -> None:
    """Be the Non-RT process of a cell."""
    NonRt(settings).run()
