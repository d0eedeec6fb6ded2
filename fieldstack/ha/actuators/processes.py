"""Carries out starts, stops, fencing and restarts of processes, through the process manager.

Used by the FailoverManager.
"""

from __future__ import annotations

import time

from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.outcome import ExecutionResult, Outcome, PendingReadback
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.process_monitor import ProcessMonitor
from fieldstack.process.manager import ProcessManager, ProcessStartError
from fieldstack_base.units import NS_PER_MS

CONFIRM_TIMEOUT_NS = 20_000 * NS_PER_MS


class Processes:
    """`stop_timeout_s`: after SIGTERM, until SIGKILL."""

    def __init__(
        self, manager: ProcessManager, monitor: ProcessMonitor, log: EventLog, stop_timeout_s: float
    ) -> None:
        self._manager, self._monitor, self._log = manager, monitor, log
        self._stop_timeout_s = stop_timeout_s

    def fence(self, action: Action) -> ExecutionResult:
        if action.process is None:
            return _no_process(action)
        self._manager.kill(action.process)
        return Outcome(True, "SIGKILL sent; its end is awaited")

    def stop(self, action: Action) -> ExecutionResult:
        if action.process is None:
            return _no_process(action)
        self._monitor.asked_to_end(action.process)
        self._manager.stop(action.process, self._stop_timeout_s)
        return Outcome(True, "SIGTERM sent; its end is awaited")

    def start(self, action: Action) -> ExecutionResult:
        return _no_process(action) if action.process is None else self._spawn(action.process)

    def reboot(self, action: Action) -> Outcome:
        """Started, but not proven: `proof` says whether it has begun to work."""
        if action.process is None:
            return _no_process(action)
        self._manager.kill(action.process)  # what is fenced may still be in its tear-down
        return self._spawn(action.process)

    def _spawn(self, name: ProcessName) -> Outcome:
        now_ns = time.monotonic_ns()
        try:
            # Before the process exists: whatever it does then belongs to this start.
            self._monitor.began(name, now_ns, 0)
            handle = self._manager.start(name)
        except ProcessStartError as error:
            self._monitor.could_not_start(name, now_ns, str(error))
            return Outcome(False, str(error))
        if not handle.pid:  # systemd does it; the Observer tells once its process is there
            return Outcome(True, "start asked of systemd")
        self._monitor.has_pid(name, handle.pid)
        self._log.append(EventKind.PROCESS_STARTED, process=name, pid=handle.pid)
        return Outcome(True, f"started, pid {handle.pid}")

    def proof(self, name: ProcessName, said: str) -> PendingReadback:
        """Follows the present start until it works, or has failed."""
        start_id = self._monitor.start_id(name)

        def poll(_now_ns: int) -> Outcome | str:
            if self._monitor.start_id(name) != start_id:
                return Outcome(False, f"{said}, and replaced before it was at work")
            at_work, text = self._monitor.at_work(name)
            if at_work is None:
                return f"{said}; {text}"
            return Outcome(at_work, f"{said}; {text}")

        return PendingReadback(poll, CONFIRM_TIMEOUT_NS, f"reboot {name}")


def _no_process(action: Action) -> Outcome:
    return Outcome(False, f"{action.subject} is no process of this cell")
