"""FailoverManager: carries out what was decided, reads back whether it came about, and records both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.actions import Action, ActionKind, Step
from fieldstack.ha.alerts import Alerts
from fieldstack.ha.process_monitor import ProcessMonitor
from fieldstack.ha.state_checkpoint import StateCheckpoint
from fieldstack.ha.vocabulary import ClearWhen, ProcessName
from fieldstack.process.manager import ProcessManager, ProcessStartError
from fieldstack_rt.datastore import Clear, DataStore, EstopSource

_UNTIL = {ClearWhen.ON_RESET: Clear.ON_RESET, ClearWhen.ON_RECOVERY: Clear.ON_RECOVERY}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action: `confirmed` only if it was read back."""

    confirmed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Ports:
    """What the manager acts through. `answer(request, accepted, text)` reaches the operator who asked."""

    store: DataStore
    processes: ProcessManager
    monitor: ProcessMonitor
    checkpoint: StateCheckpoint
    log: EventLog
    alerts: Alerts
    answer: Callable[[int, bool, str], None]
    stop_timeout_s: float = 5.0


class FailoverManager:
    """One action after the other, in the order given: worst first. Nothing here waits."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._carry: dict[ActionKind, Callable[[Action], Outcome | None]] = {
            ActionKind.EMERGENCY_STOP: self._emergency_stop,
            ActionKind.SAFE_MODE_ENTER: lambda _: self._permit(False),
            ActionKind.SAFE_MODE_EXIT: lambda _: self._permit(True),
            ActionKind.AWAIT_MANUAL: lambda _: Outcome(True, "waiting for an operator's reset"),
            ActionKind.RECORD_STEP: self._record_step,
            ActionKind.READ_CHECKPOINT: self._read_checkpoint,
            ActionKind.FENCE_PROCESS: self._fence,
            ActionKind.STOP_PROCESS: self._stop,
            ActionKind.REBOOT_PROCESS: self._reboot,
            ActionKind.START_PROCESS: self._start,
            ActionKind.CLEAR_LATCH: self._clear_latch,
            ActionKind.RESET_FAULTS: self._reset_faults,
            ActionKind.SEND_ALERT: self._alert,
            ActionKind.ANSWER: self._answer,
        }

    def execute(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            outcome = self._carry[action.kind](action)
            if outcome is not None:
                self._record(action, outcome)

    def _record(self, action: Action, outcome: Outcome) -> None:
        self._ports.log.append(
            EventKind.ACTION_DONE if outcome.confirmed else EventKind.ACTION_FAILED,
            action=action.kind.name,
            subject=action.process or "cell",
            rule=action.rule,
            cause=action.cause,
            outcome=outcome.text,
        )

    # ---- latch and permit ----

    def _emergency_stop(self, action: Action) -> Outcome:
        estop = self._ports.store.estop
        until = _UNTIL[action.until or ClearWhen.ON_RESET]
        estop.raise_(EstopSource.POLICY, f"{action.rule}: {action.cause}", until=until)
        state = estop.state()
        word = state.on_reset if until is Clear.ON_RESET else state.on_recovery
        held = bool(word >> EstopSource.POLICY & 1)
        return Outcome(held, f"latched until {until.name.lower()}" if held else "the latch did not take it")

    def _clear_latch(self, action: Action) -> Outcome:
        estop = self._ports.store.estop
        sources = [source for source in EstopSource if action.sources >> source & 1]
        estop.clear(sources, _UNTIL[action.until or ClearWhen.ON_RESET])
        names = ", ".join(source.name.lower() for source in sources)
        self._ports.log.append(EventKind.ESTOP_CLEARED, sources=names, why=action.cause)
        return Outcome(True, f"cleared {names}")

    def _permit(self, permit: bool) -> Outcome:
        store = self._ports.store
        store.motion_permit = permit
        word = "given" if permit else "taken back"
        return Outcome(store.motion_permit is permit, f"motion permit {word}")

    def _reset_faults(self, action: Action) -> Outcome:
        self._ports.store.request_fault_reset()
        return Outcome(True, f"fault reset {self._ports.store.reset_count} asked of RT ({action.cause})")

    # ---- processes ----

    def _fence(self, action: Action) -> Outcome | None:
        if action.process is None:
            return None
        self._ports.processes.kill(action.process)
        return Outcome(True, "SIGKILL sent; its end is awaited")

    def _stop(self, action: Action) -> Outcome | None:
        if action.process is None:
            return None
        self._ports.monitor.asked_to_end(action.process)
        self._ports.processes.stop(action.process, self._ports.stop_timeout_s)
        return Outcome(True, "SIGTERM sent; its end is awaited")

    def _start(self, action: Action) -> Outcome | None:
        return None if action.process is None else self._spawn(action.process)

    def _spawn(self, name: ProcessName) -> Outcome:
        ports = self._ports
        now_ns = time.monotonic_ns()
        try:
            # Before the process exists: whatever it does then belongs to this start.
            ports.monitor.began(name, now_ns, 0)
            handle = ports.processes.start(name)
        except ProcessStartError as error:
            ports.monitor.could_not_start(name, now_ns, str(error))
            return Outcome(False, str(error))
        ports.monitor.has_pid(name, handle.pid)
        ports.log.append(EventKind.PROCESS_STARTED, process=name, pid=handle.pid)
        return Outcome(True, f"started, pid {handle.pid}")

    def _reboot(self, action: Action) -> Outcome | None:
        if action.process is None:
            return None
        began_ns = time.monotonic_ns()
        self._ports.processes.kill(action.process)  # what is fenced may still be in its tear-down
        outcome = self._spawn(action.process)
        self._step(action, Step.RESTART, began_ns, outcome)
        return outcome

    # ---- records ----

    def _read_checkpoint(self, action: Action) -> Outcome:
        began_ns = time.monotonic_ns()
        generation, remark = self._ports.checkpoint.read()
        outcome = Outcome(generation > 0, f"generation {generation}: {remark}" if generation else remark)
        self._step(action, Step.CHECKPOINT_READ, began_ns, outcome)
        return Outcome(True, outcome.text)

    def _step(self, action: Action, step: Step, began_ns: int, outcome: Outcome) -> None:
        now_ns = time.monotonic_ns()
        remark = f": {outcome.text}"
        self._append_step(action, step, now_ns, now_ns - began_ns, remark, confirmed=outcome.confirmed)

    def _record_step(self, action: Action) -> None:
        if action.step is not None:
            remark = f": {action.remark}" if action.remark else ""
            self._append_step(
                action, action.step, action.at_ns, action.took_ns, remark, confirmed=action.confirmed
            )

    def _append_step(
        self, action: Action, step: Step, at_ns: int, took_ns: int, remark: str, *, confirmed: bool
    ) -> None:
        self._ports.log.append(
            EventKind.RECOVERY_STEP,
            t_ns=at_ns,
            severity=Severity.INFO if confirmed else Severity.WARNING,
            process=action.process,
            step=step,
            attempt=action.attempt,
            took_ns=took_ns,
            took_ms=took_ns / 1e6,
            confirmed=confirmed,
            rule=action.rule,
            cause=action.cause,
            remark=remark,
        )

    def _alert(self, action: Action) -> None:
        event = self._ports.log.append(EventKind.ALERT, rule=action.rule, cause=action.cause)
        self._ports.alerts.send(event)

    def _answer(self, action: Action) -> None:
        self._ports.log.append(
            EventKind.OPERATOR_REQUEST,
            severity=Severity.INFO if action.confirmed else Severity.WARNING,
            request=action.rule,
            by="operator",
            accepted=action.confirmed,
            outcome=action.cause,
        )
        self._ports.answer(action.request, action.confirmed, action.cause)
