"""Makes the parts of a Non-RT process, each with what it needs, and closes them in reverse order.

`make_parts` is the order of construction. Each step takes the parts that it needs, so it cannot come before
them: mypy and ruff refuse a name that is not there yet. What a step opens it puts on `closing` at once. So
whatever a later step raises, all that was opened is closed. Used by `nonrt`.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from fieldstack.events.kinds import EventKind
from fieldstack.ha.actuators.alerts import Alerts, open_alerts
from fieldstack.ha.actuators.core_control import CoreControl
from fieldstack.ha.checkpoint.fingerprint import fingerprint_of_file
from fieldstack.ha.checkpoint.state_checkpoint import StateCheckpoint
from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.measures import Probe
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.modules.modules import Modules
from fieldstack.ha.monitor.detections import Detections
from fieldstack.ha.monitor.history_keeper import HistoryKeeper
from fieldstack.ha.monitor.observer import Observer
from fieldstack.ha.monitor.process_monitor import ProcessMonitor
from fieldstack.ha.monitor.retried import Retries
from fieldstack.nonrt.beginning import checkpoint_reports, restore_checkpoint, restore_state
from fieldstack.nonrt.failover_manager import Ports
from fieldstack.nonrt.loop import Loop
from fieldstack.nonrt.module_list import make_modules
from fieldstack.nonrt.opening import Opened, open_cell
from fieldstack.nonrt.operator_commands import OperatorCommandHandler, OperatorCommandPorts
from fieldstack.nonrt.pending_answers import PendingAnswers
from fieldstack.nonrt.policy_in_force import Reload
from fieldstack.nonrt.prediction_service import PredictionService
from fieldstack.nonrt.probe_list import make_probes
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.nonrt.status import StatusWriter
from fieldstack.nonrt.status_report import StatusSources, report
from fieldstack.nonrt.supervision import Supervision, SupervisionParts
from fieldstack_base.control.server import ControlServer
from fieldstack_base.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop of a Non-RT process works with."""

    opened: Opened
    alerts: Alerts
    history: HistoryKeeper
    modules: Modules
    detections: Detections
    supervision: Supervision
    commands: OperatorCommandHandler
    loop: Loop


def make_parts(settings: NonRtSettings, closing: ExitStack) -> Parts:
    """Raises what `nonrt.run` raises; what was opened by then is on `closing`."""
    opened = open_cell(settings, closing)
    history = _make_history(opened, closing)
    alerts = open_alerts(settings.alerts_file, opened.instance, opened.log)
    prediction = PredictionService(settings, opened.instance, opened.store)
    modules = _make_modules(opened, alerts, prediction, closing)
    core = _make_core_control(opened, closing)
    checkpoint = _make_checkpoint(opened, closing)
    kept = restore_checkpoint(opened, alerts, checkpoint)
    detections = Detections(history.history, opened.log, opened.predecessor.pid_and_pass)
    monitor = _make_monitor(opened, detections)
    _adopt_processes(opened, monitor)
    control = _open_control(opened, closing)
    answers = PendingAnswers(control, opened.store, opened.cell, opened.log)
    ports = _make_ports(
        opened,
        monitor=monitor,
        checkpoint=checkpoint,
        alerts=alerts,
        answers=answers,
        core=core,
        modules=modules,
    )
    state = restore_state(opened, alerts, kept)
    probes: dict[str, Probe] = make_probes(opened, monitor, alerts)
    probes |= {"checkpoint": checkpoint, "modules": modules, **prediction.probes}
    supervision = _make_supervision(opened, ports, probes, answers, state)
    sources = StatusSources(supervision, history.history, modules, checkpoint, alerts, prediction)
    commands = _make_commands(opened, control, answers, sources)
    loop = _make_loop(opened, control, checkpoint, closing)
    return Parts(opened, alerts, history, modules, detections, supervision, commands, loop)


def _make_history(opened: Opened, closing: ExitStack) -> HistoryKeeper:
    failed = checkpoint_reports(opened.log).failed
    history = HistoryKeeper(opened.instance.state_dir, opened.log, failed)
    closing.callback(history.close)
    return history


def _make_modules(
    opened: Opened, alerts: Alerts, prediction: PredictionService, closing: ExitStack
) -> Modules:
    """Nothing runs yet: the modules are started once the cell moves."""
    modules = Modules((alerts, *make_modules(opened.settings, opened.instance, prediction)))
    closing.callback(modules.close)
    return modules


def _make_core_control(opened: Opened, closing: ExitStack) -> CoreControl:
    core = CoreControl(opened.instance.runtime_dir / "core.sock")
    closing.callback(core.close)
    return core


def _make_checkpoint(opened: Opened, closing: ExitStack) -> StateCheckpoint:
    interval_s = opened.force.policy.process(ProcessName.RT).checkpoint_interval_sec
    checkpoint = StateCheckpoint(
        opened.store,
        opened.instance.state_dir,
        round(interval_s * NS_PER_S),
        checkpoint_reports(opened.log),
        fingerprint_of_file(opened.instance.plan_file),
        core=opened.has_core,
    )
    closing.callback(checkpoint.close)
    opened.force.listeners.append(checkpoint.follow_policy)
    return checkpoint


def _make_monitor(opened: Opened, detections: Detections) -> ProcessMonitor:
    monitor = ProcessMonitor(
        opened.store,
        opened.processes,
        opened.force.policy,
        detections,
        core=opened.has_core,
        guard=opened.guard.status,
        cell=opened.cell,
    )
    opened.force.listeners.append(monitor.follow_policy)
    return monitor


def _adopt_processes(opened: Opened, monitor: ProcessMonitor) -> None:
    """What the Non-RT process before this one has started goes on."""
    for name in opened.names:
        handle = opened.processes.adopt(name)
        if handle is not None:
            monitor.began(name, time.monotonic_ns(), handle.pid, adopted=True)
            opened.log.append(EventKind.PROCESS_ADOPTED, process=name, pid=handle.pid)


def _open_control(opened: Opened, closing: ExitStack) -> ControlServer:
    control = ControlServer(opened.instance.control_socket)
    closing.callback(control.close)
    return control


def _make_ports(
    opened: Opened,
    *,
    monitor: ProcessMonitor,
    checkpoint: StateCheckpoint,
    alerts: Alerts,
    answers: PendingAnswers,
    core: CoreControl,
    modules: Modules,
) -> Ports:
    def answer(action: Action) -> None:
        answers.answer(action, time.monotonic_ns())

    return Ports(
        store=opened.store,
        processes=opened.processes,
        monitor=monitor,
        checkpoint=checkpoint,
        log=opened.log,
        alerts=alerts,
        answer=answer,
        cell=opened.cell,
        core=core,
        modules=modules,
        stop_timeout_s=opened.settings.stop_timeout_ms / 1000,
    )


def _make_supervision(
    opened: Opened,
    ports: Ports,
    probes: dict[str, Probe],
    answers: PendingAnswers,
    state: DecisionState,
) -> Supervision:
    observer = Observer(
        opened.store,
        opened.processes,
        opened.log,
        opened.names,
        ports.monitor.note,
        guard=opened.guard.status,
    )
    status, retries = StatusWriter(opened.store, opened.started_ns), Retries(opened.log)
    parts = SupervisionParts(ports, opened.force, probes, observer, answers, status, retries)
    return Supervision(parts, state)


def _make_commands(
    opened: Opened,
    control: ControlServer,
    answers: PendingAnswers,
    sources: StatusSources,
) -> OperatorCommandHandler:
    return OperatorCommandHandler(
        OperatorCommandPorts(
            control,
            opened.store,
            opened.cell,
            answers,
            status=partial(report, sources),
            reload=partial(Reload, opened.force, opened.store, opened.log),
            inject=sources.supervision.retries.inject if opened.settings.fault_injection else None,
        )
    )


def _make_loop(
    opened: Opened, control: ControlServer, checkpoint: StateCheckpoint, closing: ExitStack
) -> Loop:
    loop = Loop(control, (opened.guard.fileno(), checkpoint.counts.fileno()))
    closing.callback(loop.close)
    return loop
