"""The actions of a recovery, and its steps as the event log keeps them. Used by `failover_manager`."""

from __future__ import annotations

import time

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.processes import Processes
from fieldstack.ha.checkpoint.state_checkpoint import StateCheckpoint
from fieldstack.ha.model.actions import Action, Step
from fieldstack.ha.model.outcome import ExecutionResult, Outcome


class Recovery:
    """Restarts a process, reads the checkpoint, records steps that the decision core has seen."""

    def __init__(self, processes: Processes, checkpoint: StateCheckpoint, log: EventLog) -> None:
        self._processes, self._checkpoint, self._log = processes, checkpoint, log

    def reboot(self, action: Action) -> ExecutionResult:
        began_ns = time.monotonic_ns()
        outcome = self._processes.reboot(action)
        self._step(action, Step.RESTART, began_ns, outcome)
        if not outcome.confirmed or not action.id or action.process is None:
            return outcome
        return self._processes.proof(action.process, outcome.text)

    def read_checkpoint(self, action: Action) -> Outcome:
        began_ns = time.monotonic_ns()
        generation, remark = self._checkpoint.read()
        outcome = Outcome(generation > 0, f"generation {generation}: {remark}" if generation else remark)
        self._step(action, Step.CHECKPOINT_READ, began_ns, outcome)
        return Outcome(True, outcome.text)

    def record_step(self, action: Action) -> None:
        """A step that happened without an action of ours."""
        if action.step is not None:
            remark = f": {action.remark}" if action.remark else ""
            self._append(
                action, action.step, action.at_ns, action.took_ns, remark, confirmed=action.confirmed
            )

    def _step(self, action: Action, step: Step, began_ns: int, outcome: Outcome) -> None:
        now_ns = time.monotonic_ns()
        remark = f": {outcome.text}"
        self._append(action, step, now_ns, now_ns - began_ns, remark, confirmed=outcome.confirmed)

    def _append(
        self, action: Action, step: Step, at_ns: int, took_ns: int, remark: str, *, confirmed: bool
    ) -> None:
        self._log.append(
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
