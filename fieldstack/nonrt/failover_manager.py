"""FailoverManager: carries out what was decided, reads back whether it happened, and records both.

Each kind of action has one executor in a table. `Supervision` passes on the actions of each decision.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.alerting import Alerting
from fieldstack.ha.actuators.alerts import Alerts
from fieldstack.ha.actuators.core_control import CoreControl
from fieldstack.ha.actuators.degrade import Degrade
from fieldstack.ha.actuators.in_flight_orders import InFlightOrders, fault
from fieldstack.ha.actuators.processes import Processes
from fieldstack.ha.actuators.slaves import SlaveRestarts
from fieldstack.ha.actuators.starts import Starts
from fieldstack.ha.actuators.stops import Stops
from fieldstack.ha.checkpoint.state_checkpoint import StateCheckpoint
from fieldstack.ha.model.actions import Action, ActionKind, ActionOutcome
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.outcome import ExecutionResult, Outcome, PendingReadback
from fieldstack.ha.modules.modules import Modules
from fieldstack.ha.monitor.process_monitor import ProcessMonitor
from fieldstack.nonrt.recovery import Recovery
from fieldstack.process.manager import ProcessManager
from fieldstack_rt.datastore import DataStore


@dataclass(frozen=True, slots=True)
class Ports:
    """What the manager acts through. `answer(action)` reaches the operator who asked."""

    store: DataStore
    processes: ProcessManager
    monitor: ProcessMonitor
    checkpoint: StateCheckpoint
    log: EventLog
    alerts: Alerts
    answer: Callable[[Action], None]
    cell: CellMap
    core: CoreControl
    modules: Modules
    stop_timeout_s: float = 5.0


class FailoverManager:
    """Carries out one action after the other, in the given order: worst first. Nothing here waits.

    Results that are not known at once are read back in the passes that follow. `outcomes` gives them to the
    next decision.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._in_flight_orders = InFlightOrders(self._record, ports.log)
        processes = Processes(ports.processes, ports.monitor, ports.log, ports.stop_timeout_s)
        recovery = Recovery(processes, ports.checkpoint, ports.log)
        stops = Stops(ports.store, ports.log, ports.cell)
        starts = Starts(ports.store, ports.cell, time.monotonic_ns)
        self._executors: dict[ActionKind, Callable[[Action], ExecutionResult]] = {
            ActionKind.SHUTDOWN: lambda _: Outcome(True, "the cell goes down: Core, RT, then Non-RT"),
            ActionKind.EMERGENCY_STOP: stops.emergency_stop,
            ActionKind.SAFE_MODE_ENTER: lambda _: stops.permit(False),
            ActionKind.SAFE_MODE_EXIT: lambda _: stops.permit(True),
            ActionKind.AWAIT_MANUAL: lambda _: Outcome(True, "waiting for a person"),
            ActionKind.DEGRADE: Degrade(ports.store, ports.cell).execute,
            ActionKind.RECORD_STEP: recovery.record_step,
            ActionKind.READ_CHECKPOINT: recovery.read_checkpoint,
            ActionKind.FENCE_PROCESS: processes.fence,
            ActionKind.STOP_PROCESS: processes.stop,
            ActionKind.REBOOT_PROCESS: recovery.reboot,
            ActionKind.START_PROCESS: processes.start,
            ActionKind.RESTART_SLAVE: SlaveRestarts(ports.store, ports.cell).execute,
            ActionKind.RESTART_MODULE: ports.modules.execute,
            ActionKind.REALLOCATE: ports.core.reallocate,
            ActionKind.CLEAR_LATCH: stops.clear_latch,
            ActionKind.RESET_FAULTS: stops.reset_faults,
            ActionKind.AWAIT_START: starts.execute,
            ActionKind.START: starts.execute,
            ActionKind.SEND_ALERT: Alerting(ports.store, ports.log, ports.alerts).execute,
            ActionKind.ANSWER: ports.answer,
        }

    def execute(self, actions: tuple[Action, ...], now_ns: int) -> None:
        for action in actions:
            carried = self._try(action)
            if isinstance(carried, PendingReadback):
                self._ports.log.append(EventKind.ACTION_ORDERED, **action.event_fields())
                self._in_flight_orders.begin(action, carried, now_ns)
            elif carried is not None:
                self._in_flight_orders.known(action, carried, now_ns)

    def _try(self, action: Action) -> ExecutionResult | None:
        """An unexpected exception makes the action a failed one: the others are still carried out."""
        try:
            return self._executors[action.kind](action)
        except Exception as error:
            return fault(self._ports.log, action, error)

    def outcomes(self, now_ns: int) -> tuple[ActionOutcome, ...]:
        """The outcomes of orders since the last call."""
        return self._in_flight_orders.poll_all(now_ns)

    @property
    def busy(self) -> bool:
        """Whether orders wait to be read back: then the next pass should come soon."""
        return self._in_flight_orders.busy

    def in_flight(self, now_ns: int) -> list[dict[str, Any]]:
        return self._in_flight_orders.describe(now_ns)

    def _record(self, action: Action, outcome: Outcome, took_ns: int) -> None:
        self._ports.log.append(
            EventKind.ACTION_DONE if outcome.confirmed else EventKind.ACTION_FAILED,
            **action.event_fields(),
            outcome=outcome.text,
            took_ms=took_ns / 1e6,
        )
