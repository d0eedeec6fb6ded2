"""The Non-RT process: supervises until it is asked to go down, then goes down in order.

`run` is the whole life of the process; `__main__` calls it with the settings of a file.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack

from fieldstack.events.kinds import EventKind
from fieldstack.ha.model.facts import Request, RequestKind
from fieldstack.ha.model.states import HaState
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.nonrt.parts import Parts, make_parts
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.nonrt.upkeep import Upkeep
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore import StoreLostError
from fieldstack_rt.memory_watch import MemoryWatch
from fieldstack_rt.sd_notify import notifier

URGENT_NS = 4 * NS_PER_MS
_ORDER_DOWN = (ProcessName.CORE, ProcessName.RT)


def run(settings: NonRtSettings) -> None:
    """Be the Non-RT process of a cell; returns when the cell is down.

    Raises:
        PolicyError: the policy is not usable; nothing was started.
        EventLogBusyError: another Non-RT process has this instance.
        StoreBusyError: what works on a memory of another layout is no RT process of ours.
        RtInTheWayError: it is, and could not be ended; to be tried again.
        ForeignMasterError: a master that cannot be seen drives the bus.
        ProcessManagerError: systemd does not answer.
        StoreLostError: the shared memory was removed or replaced; RT and Core were ended first.
    """
    with ExitStack() as closing:
        NonRt(make_parts(settings, closing)).run()


class NonRt:
    """The loop of one Non-RT process, and its way down."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._settings = parts, parts.opened.settings
        self._store, self._log, self._processes = parts.opened.store, parts.opened.log, parts.opened.processes
        self._supervision, self._loop = parts.supervision, parts.loop
        self._upkeep = Upkeep(parts)
        self._memory = MemoryWatch(self._store, "owner_pid")
        self._why = "asked by an operator"

    def run(self) -> None:
        """Supervise until asked to go down (SIGTERM, SIGINT, or an operator)."""
        self._loop.catch_signals()
        self._supervise()
        self._go_down()

    # ---- the loop ----

    def _supervise(self) -> None:
        pass_ns = self._settings.supervision_interval_ms * NS_PER_MS
        last_ns = 0
        while self._supervision.state.ha is not HaState.SHUTDOWN:
            gap_ns = URGENT_NS if self._supervision.urgent else pass_ns
            due, commands = self._loop.wait(last_ns + gap_ns)
            for command in commands:
                self._parts.commands.handle(command, time.monotonic_ns())
            if self._must_end():
                return
            now_ns = time.monotonic_ns()
            if due or now_ns - last_ns >= gap_ns:
                last_ns = now_ns
                self._pass(now_ns, pass_ns)

    def _pass(self, now_ns: int, pass_ns: int) -> None:
        detections = self._parts.detections
        detections.passed(now_ns, pass_ns)
        self._supervision.run(now_ns)
        detections.done(now_ns, time.monotonic_ns())
        self._watch_memory(now_ns)
        self._upkeep.run(now_ns)

    def _watch_memory(self, now_ns: int) -> None:
        """Nobody can attach to a memory without a name. What works on it is ended while the guard still sees
        it. Then systemd or `up` starts this process again, on a new memory."""
        watch = self._memory.check(now_ns)
        if watch.repaired_magic is not None:
            magic = f"magic was {watch.repaired_magic:#x}"
            what = f"the shared memory's header was damaged, and is repaired ({magic})"
            self._log.append(EventKind.SUPERVISION, what=what)
        if not watch.lost:
            return
        self._log.append(EventKind.SUPERVISION, what=f"{watch.lost}: Core, RT and Non-RT end in order")
        self._store.motion_permit = False
        self._stop_all()
        raise StoreLostError(watch.lost)

    # ---- the way down ----

    def _must_end(self) -> bool:
        """A signal, or systemd stops the target. A pass decides about an operator's request."""
        if self._loop.signals and self._end_asked():
            return True
        if self._processes.going_down:
            self._why = "its target is stopped"
            self._supervision.shut_down(Request(0, RequestKind.SHUTDOWN, "systemd"))
            return True
        return False

    def _end_asked(self) -> bool:
        """True: go down and leave RT running. Otherwise the decision core is asked to shut down."""
        name = signal.Signals(self._loop.signals[0]).name
        self._loop.signals.clear()
        if self._settings.leave_running:
            self._why = f"{name}; RT and Core are left running"
            return True
        self._why = name
        self._supervision.shut_down(Request(0, RequestKind.SHUTDOWN, name))
        return False

    def _go_down(self) -> None:
        self._store.nonrt_stopping = True
        notifier().stopping(f"going down: {self._why}")
        self._log.append(EventKind.NONRT_STOPPED, pid=os.getpid(), why=self._why)
        if self._supervision.state.ha is not HaState.SHUTDOWN:
            self._store.motion_permit = False
            return
        self._stop_all()
        self._supervision.finish()

    def _stop_all(self) -> None:
        for name in _ORDER_DOWN:
            if name in self._parts.opened.names:
                self._stop(name)

    def _stop(self, name: ProcessName) -> None:
        """Stop one process and wait for its end, bounded. Beats continue, so that RT stops in order."""
        timeout_s = self._settings.stop_timeout_ms / 1000
        until = time.monotonic() + timeout_s + 1.0
        self._processes.stop(name, timeout_s)
        while self._processes.handle(name) is not None and time.monotonic() < until:
            time.sleep(0.005)
            self._processes.tick()
            self._supervision.finish()
