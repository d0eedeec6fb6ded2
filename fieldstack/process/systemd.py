"""The process manager for production: starts and stops the units of RT and Core over D-Bus; nothing blocks.

Non-RT uses it where systemd runs the cell. The pidfd of a process shows its end within milliseconds; systemd
then says how it ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fieldstack.process.manager import Ended, ProcessHandle
from fieldstack.process.systemd_bus import Order, SystemdBus
from fieldstack.process.systemd_unit import UnitState, ended, last_message

OPEN_S = 10.0
REPORT_S = 0.25
"""How long systemd has to say how a process ended; after that the end counts without it."""


@dataclass(slots=True)
class _Process:
    """What is known of a unit's process. `handle` has pid 0 while a start is under way."""

    unit: str
    handle: ProcessHandle | None = None
    ended: Ended | None = None
    order: Order | None = None
    old_pid: int = 0
    """The end of the process before the one that is being started."""
    ended_at: float = 0.0
    kill_at: float = 0.0
    late: list[int] = field(default_factory=list)
    """The pids whose end was not reported yet when their successor was ordered."""


class SystemdProcessManager:
    """`units`: unit by process name. `target`: the unit whose stop takes the cell down; empty: none.

    The constructor connects and raises SystemdError; no other method but `close` waits. Times are
    CLOCK_MONOTONIC seconds.
    """

    def __init__(self, units: Mapping[str, str], target: str = "", address: str = "") -> None:
        self._processes = {name: _Process(unit) for name, unit in units.items()}
        self._target = target
        self._target_was_active = False
        self._late_ends: list[tuple[str, Ended]] = []
        self._bus = SystemdBus((*units.values(), *([target] if target else [])), address)
        self._bus.open(OPEN_S)

    @property
    def going_down(self) -> bool:
        """Whether the target is being stopped, or was: then the cell is to end."""
        if not self._target:
            return False
        active = self._bus.state(self._target).active
        self._target_was_active |= active == "active"
        return self._target_was_active and active in ("inactive", "deactivating")

    # ---- the protocol ----

    def adopt(self, name: str) -> ProcessHandle | None:
        process = self._processes[name]
        state = self._bus.state(process.unit)
        if process.handle is None and state.runs:
            process.handle = _hold(name, process.unit, state.main_pid, adopted=True)
        return self.handle(name)

    def start(self, name: str) -> ProcessHandle:
        """Ask systemd to start it. The handle has pid 0 and pidfd -1 until systemd has started a process."""
        process = self._processes[name]
        self._set_aside(name, process)
        process.ended, process.ended_at, process.kill_at = None, 0.0, 0.0
        state = self._bus.state(process.unit)
        if state.runs and state.main_pid not in (process.old_pid, *process.late):
            found = _hold(name, process.unit, state.main_pid, adopted=False)
            if found is not None:  # somebody else was quicker: two of them would fight for the bus
                process.handle = found
                return found
        process.old_pid = process.old_pid or state.last_pid
        process.order = self._bus.start(process.unit, process.old_pid)
        process.handle = ProcessHandle(name, 0, -1, adopted=False)
        return process.handle

    def _set_aside(self, name: str, process: _Process) -> None:
        if process.order is not None:
            process.order.given_up = True
        handle, process.handle, process.order, process.old_pid = process.handle, None, None, 0
        if handle is None or not handle.pid:
            process.old_pid = process.ended.pid if process.ended is not None else 0
            return
        process.old_pid = handle.pid
        os.close(handle.pidfd)
        state = self._bus.state(process.unit)
        if state.main_pid == handle.pid:
            process.late.append(handle.pid)
        else:
            self._late_ends.append((name, ended(process.unit, state, handle.pid)))

    def handle(self, name: str) -> ProcessHandle | None:
        process = self._processes[name]
        if process.order is not None:
            self._follow(name, process, process.order)
        elif process.handle is not None:
            self._check_process(process, process.handle, time.monotonic())
        return process.handle

    def ended(self, name: str) -> Ended | None:
        self.handle(name)
        return self._processes[name].ended

    def kill(self, name: str) -> None:
        process = self._processes[name]
        if process.order is not None:
            self._give_up(process)
        elif process.handle is not None:
            self._signal(process, signal.SIGKILL)

    def stop(self, name: str, timeout_s: float) -> None:
        process = self._processes[name]
        if process.order is not None:
            self._give_up(process)
        elif process.handle is not None and not process.kill_at:
            process.kill_at = time.monotonic() + timeout_s
            self._bus.stop(process.unit)

    def tick(self) -> None:
        now = time.monotonic()
        for name, process in self._processes.items():
            if self.handle(name) is not None and process.kill_at and now >= process.kill_at:
                self._signal(process, signal.SIGKILL)
        self._collect_late_ends()

    def take_late_ends(self) -> list[tuple[str, Ended]]:
        ends, self._late_ends = self._late_ends, []
        return ends

    def last_message(self, name: str) -> str:
        unit = self._processes[name].unit
        return last_message(unit, self._bus.state(unit))

    def close(self) -> None:
        """Release everything; the processes continue."""
        self._bus.close()
        for process in self._processes.values():
            if process.handle is not None and process.handle.pidfd >= 0:
                os.close(process.handle.pidfd)
            process.handle = None

    # ---- following systemd ----

    def _follow(self, name: str, process: _Process, order: Order) -> None:
        """Follows a start: its process is there, was there and has ended, or the start failed."""
        state = self._bus.state(process.unit)
        if state.main_pid not in (0, process.old_pid):
            process.handle = _hold(name, process.unit, state.main_pid, adopted=False)
            if process.handle is None:  # it ended meanwhile: systemd is about to say so
                process.handle = ProcessHandle(name, 0, -1, adopted=False)
                return
            process.order = None
        elif order.done and state.last_pid not in (0, process.old_pid):
            self._over(process, ended(process.unit, state, state.last_pid))
        elif order.done:
            why = order.failure or "systemd says that it has started it, but no process is there"
            self._over(process, Ended(0, 1, f"could not be started: {why}"))

    def _check_process(self, process: _Process, handle: ProcessHandle, now: float) -> None:
        if not _readable(handle.pidfd):
            return
        process.ended_at = process.ended_at or now
        state = self._bus.state(process.unit)
        if state.main_pid != handle.pid or now - process.ended_at >= REPORT_S:
            os.close(handle.pidfd)
            self._over(process, ended(process.unit, state, handle.pid))

    @staticmethod
    def _over(process: _Process, how: Ended) -> None:
        process.handle, process.order, process.ended = None, None, how
        process.ended_at = process.kill_at = 0.0

    def _give_up(self, process: _Process) -> None:
        """A start without a known process yet: whatever it leads to is to end."""
        if process.order is not None:
            process.order.given_up = True
        self._bus.kill(process.unit, signal.SIGKILL)
        self._bus.stop(process.unit)
        self._over(process, Ended(0, None, "its start was given up"))

    def _signal(self, process: _Process, number: signal.Signals) -> None:
        if process.handle is None or process.handle.pidfd < 0:
            return
        try:
            signal.pidfd_send_signal(process.handle.pidfd, number)
        except ProcessLookupError:
            return
        except PermissionError:  # it runs as another user: systemd may
            self._bus.kill(process.unit, number)

    def _collect_late_ends(self) -> None:
        """Takes the ends that systemd reported; those of processes that have a successor are passed on."""
        while self._bus.ends:
            unit, state = self._bus.ends.popleft()
            for name, process in self._processes.items():
                if process.unit == unit:
                    self._late_ends += [(name, how) for how in _take_ends(process, state)]


def _take_ends(process: _Process, state: UnitState) -> list[Ended]:
    late, process.late = process.late, []
    return [ended(process.unit, state, pid) for pid in late]


def _readable(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _hold(name: str, unit: str, pid: int, *, adopted: bool) -> ProcessHandle | None:
    """A handle of the unit's process; None if it is gone, since its pid may then mean another one."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    with contextlib.suppress(OSError):  # read after the open: from here on the pidfd holds it
        groups = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
        if any(unit in group.split("/") for group in groups):
            return ProcessHandle(name, pid, pidfd, adopted)
    os.close(pidfd)
    return None
