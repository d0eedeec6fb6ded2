"""What the Non-RT process does beside its passes, after each of them. Used by `nonrt`.

Nothing of it keeps the machine safe by itself: what fails is tried again, and reported (`retried`).
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from functools import partial

from fieldstack.events.kinds import EventKind
from fieldstack.ha.model.states import MOVING
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.guard_liveness import GuardLiveness
from fieldstack.nonrt.parts import Parts
from fieldstack.nonrt.pass_reports import FLUSH_S
from fieldstack.process.local import LocalProcessManager
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.sd_notify import notifier

SPARE_AFTER_NS = 500 * NS_PER_MS
MODULES_AFTER_NS = 1000 * NS_PER_MS
LOADED_AFTER_NS = 5000 * NS_PER_MS


class Upkeep:
    """A table of jobs by name; each has its turn after each pass."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._opened = parts, parts.opened
        self._modules_ns = 0
        self._jobs: dict[str, Callable[[int], None]] = {
            "guard": GuardLiveness(self._opened.guard.status, self._end_without_guard).check,
            "history": parts.history.keep,
            "service-manager": self._tell_systemd,
            "process-ends": lambda _now_ns: self._watch_ends(),
            "module-start": self._start_modules,
            "rt-spare": self._keep_spare,
        }

    def run(self, now_ns: int) -> None:
        for name, job in self._jobs.items():
            self._parts.supervision.retries.attempt(name, now_ns, partial(job, now_ns))

    def _end_without_guard(self, why: str) -> None:
        """Ends at once: the thread that hangs cannot be waited for. RT holds the axes meanwhile."""
        cause = f"{why}: RT is not guarded; Non-RT ends, and is started again with its guard"
        log = self._opened.log
        self._parts.alerts.send(log.append(EventKind.ALERT, rule="guard-still", subject="guard", cause=cause))
        log.flush(FLUSH_S)
        os.kill(os.getpid(), signal.SIGKILL)

    def _tell_systemd(self, now_ns: int) -> None:
        state = self._parts.supervision.state
        notifier().progress(now_ns, f"{state.ha.name}: {state.reason}")

    def _watch_ends(self) -> None:
        """The loop wakes when a process ends."""
        for name in self._opened.names:
            handle = self._opened.processes.handle(name)
            if handle is not None and handle.pidfd >= 0:
                self._parts.loop.watch(handle.pid, handle.pidfd)

    def _start_modules(self, now_ns: int) -> None:
        """When the cell moves, or has had the time to: loading the modules then delays no recovery."""
        modules = self._parts.modules
        if modules.started:
            if not gc.isenabled() and now_ns - self._modules_ns >= LOADED_AFTER_NS:
                gc.freeze()  # what is there now stays: no need to look through it again and again
                gc.enable()
            return
        moves = self._parts.supervision.state.ha in MOVING
        if moves or now_ns - self._opened.started_ns >= MODULES_AFTER_NS:
            modules.start()
            self._modules_ns = now_ns

    def _keep_spare(self, now_ns: int) -> None:
        """When the cell runs well: making the next recovery quick must not slow down this one."""
        state, processes = self._parts.supervision.state, self._opened.processes
        calm = state.ha in MOVING and now_ns - state.since_ns >= SPARE_AFTER_NS
        if self._opened.settings.rt_spare and calm and isinstance(processes, LocalProcessManager):
            processes.keep_spare(ProcessName.RT)
