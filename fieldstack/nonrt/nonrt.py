"""The Non-RT process: guard, supervision, operators' commands; adopts what runs, goes down in order."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable
from functools import partial

from fieldstack.events.kinds import EventKind
from fieldstack.ha.model.facts import Request, RequestKind
from fieldstack.ha.model.states import MOVING, HaState
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.guard_liveness import GuardLiveness
from fieldstack.nonrt.loop import Loop
from fieldstack.nonrt.nonrt_parts import Parts, open_all
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.nonrt.supervision import FLUSH_S
from fieldstack.process.local import LocalProcessManager
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore import StoreLostError
from fieldstack_rt.memory_watch import MemoryWatch
from fieldstack_rt.sd_notify import notifier

URGENT_NS = 4 * NS_PER_MS
SPARE_AFTER_NS = 500 * NS_PER_MS
MODULES_AFTER_NS = 1000 * NS_PER_MS
LOADED_AFTER_NS = 5000 * NS_PER_MS
_ORDER_DOWN = (ProcessName.CORE, ProcessName.RT)


class NonRt:
    """One Non-RT process's life. The constructor opens everything; `run` returns when the cell is down.

    Raises:
        PolicyError: the policy is not usable; nothing was started.
        EventLogBusyError: another Non-RT process has this instance.
        StoreBusyError: what works on a memory of another layout is no RT process of ours.
        RtInTheWayError: it is, and could not be ended; to be tried again.
        ForeignMasterError: a master that can not be seen drives the bus.
    """

    def __init__(self, settings: NonRtSettings) -> None:
        self.settings = settings
        opened = open_all(settings)
        self._opened = opened
        self._store, self._log, self._processes = opened.store, opened.log, opened.processes
        self._parts = Parts(opened)
        self._loop = Loop(opened.control, (opened.guard.fileno(), self._parts.checkpoint.counts.fileno()))
        self._memory = MemoryWatch(opened.store, "owner_pid")
        self._modules_ns = 0
        self._supervision, self._command_handler = self._parts.supervision, self._parts.command_handler
        self._beside: dict[str, Callable[[int], None]] = {
            "guard": GuardLiveness(opened.guard.status, self._end_without_guard).check,
            "history": self._parts.history.keep,
            "service-manager": self._tell_systemd,
            "process-ends": lambda _now_ns: self._watch_ends(),
            "module-start": self._start_modules,
            "rt-spare": self._keep_spare,
        }

    # ---- life ----

    def run(self) -> None:
        """Supervise until asked to go down (SIGTERM, SIGINT, or an operator).

        Raises:
            StoreLostError: the shared memory was removed or replaced; RT and Core were ended first.
        """
        self._loop.catch_signals()
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
                self._command_handler.handle(command, time.monotonic_ns())
            if self._loop.signals and self._end_asked():
                return
            if self._processes.going_down:
                self._why = "its target is stopped"
                self._supervision.shut_down(Request(0, RequestKind.SHUTDOWN, "systemd"))
                return
            now_ns = time.monotonic_ns()
            if due or now_ns - last_ns >= gap_ns:
                last_ns = now_ns
                self._parts.detections.passed(now_ns, pass_ns)
                self._supervision.run(now_ns)
                self._parts.detections.done(now_ns, time.monotonic_ns())
                self._watch_memory(now_ns)
                for name, work in self._beside.items():
                    self._parts.retries.attempt(name, now_ns, partial(work, now_ns))

    def _start_modules(self, now_ns: int) -> None:
        """Once the cell moves, or has had its time to: what they load delays nothing of a recovery."""
        if self._parts.modules.started:
            if not gc.isenabled() and now_ns - self._modules_ns >= LOADED_AFTER_NS:
                gc.freeze()  # what is there now stays: no need to look through it again and again
                gc.enable()
            return
        if self._supervision.state.ha in MOVING or now_ns - self._opened.started_ns >= MODULES_AFTER_NS:
            self._parts.modules.start()
            self._modules_ns = now_ns

    def _keep_spare(self, now_ns: int) -> None:
        """Once the cell runs well: nothing of a recovery is slowed down by making the next one quick."""
        state = self._supervision.state
        calm = state.ha in MOVING and now_ns - state.since_ns >= SPARE_AFTER_NS
        if self.settings.rt_spare and calm and isinstance(self._processes, LocalProcessManager):
            self._processes.keep_spare(ProcessName.RT)

    def _watch_memory(self, now_ns: int) -> None:
        """Nobody could attach to a memory without a name: what works on it is ended while the guard still
        sees it, and whoever started this process starts it again, on a new one."""
        watch = self._memory.check(now_ns)
        if watch.mended_magic is not None:
            what = (
                f"the shared memory's header was damaged, and is mended (magic was {watch.mended_magic:#x})"
            )
            self._opened.log.append(EventKind.SUPERVISION, what=what)
        if not watch.lost:
            return
        self._opened.log.append(EventKind.SUPERVISION, what=f"{watch.lost}: Core, RT and Non-RT end in order")
        self._store.motion_permit = False
        self._stop_all()
        raise StoreLostError(watch.lost)

    def _end_without_guard(self, why: str) -> None:
        """At once: the thread that stands still could not be waited for. RT holds the axes meanwhile."""
        cause = f"{why}: RT is not guarded; Non-RT ends, and is started anew with its guard"
        log = self._opened.log
        self._parts.alerts.send(log.append(EventKind.ALERT, rule="guard-still", subject="guard", cause=cause))
        log.flush(FLUSH_S)
        os.kill(os.getpid(), signal.SIGKILL)

    def _stop_all(self) -> None:
        for name in _ORDER_DOWN:
            if name in self._opened.names:
                self._stop(name)

    def _tell_systemd(self, now_ns: int) -> None:
        state = self._supervision.state
        notifier().progress(now_ns, f"{state.ha.name}: {state.reason}")

    def _watch_ends(self) -> None:
        for name in self._opened.names:
            handle = self._processes.handle(name)
            if handle is not None and handle.pidfd >= 0:
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
        self._stop_all()
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
        self._processes.close()
        self._opened.guard.stop()
        self._opened.control.close()
        self._loop.close()
        self._parts.close()
        self._log.close()


def run(settings: NonRtSettings) -> None:
    """Be the Non-RT process of a cell."""
    NonRt(settings).run()
