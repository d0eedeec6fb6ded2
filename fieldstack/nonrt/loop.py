"""The Non-RT process's event loop: guard, process ends, operators, signals, and the time of the next pass.

Used by `nonrt`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Iterable
from types import FrameType

from fieldstack_base.control.server import Command, ControlServer

_ONCE = select.EPOLLIN | select.EPOLLONESHOT


class Loop:
    """Waits for what needs a pass now: `events` are eventfds. Signals become bytes in a socket: no code runs
    inside a handler."""

    def __init__(self, control: ControlServer, events: Iterable[int | None]) -> None:
        self._control = control
        self._events = frozenset(one for one in events if one is not None)
        self._epoll = select.epoll()
        self._woken, self._waker = socket.socketpair()
        self._pidfds: set[tuple[int, int]] = set()
        self.signals: list[int] = []
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        for descriptor in (control.listener, self._woken.fileno(), *self._events):
            self._epoll.register(descriptor, select.EPOLLIN)

    def catch_signals(self) -> None:
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _ignore)

    def watch(self, pid: int, pidfd: int) -> None:
        """Wake once when that process ends. The pidfd leaves by itself when it is closed."""
        if (pid, pidfd) in self._pidfds:
            return
        self._pidfds = {one for one in self._pidfds if one[1] != pidfd} | {(pid, pidfd)}
        try:
            self._epoll.register(pidfd, _ONCE)
        except FileExistsError:
            self._epoll.modify(pidfd, _ONCE)

    def wait(self, until_ns: int) -> tuple[bool, list[Command]]:
        """Wait for something to do, at most until `until_ns` (CLOCK_MONOTONIC).

        Returns whether a pass is due at once, and the commands that came in.
        """
        timeout_s = max(0, until_ns - time.monotonic_ns()) / 1e9
        urgent, commands = False, list[Command]()
        for descriptor, _ in self._epoll.poll(timeout_s):
            if descriptor == self._control.listener:
                self._accept()
            elif self._control.owns(descriptor):
                commands += self._control.receive(descriptor)
            else:
                self._take(descriptor)
                urgent = True
        return urgent or bool(commands), commands

    def _accept(self) -> None:
        if (client := self._control.accept()) is not None:
            self._epoll.register(client, select.EPOLLIN)

    def _take(self, descriptor: int) -> None:
        if descriptor in self._events:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(descriptor)
        elif descriptor == self._woken.fileno():
            self.signals += self._woken.recv(64)

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._epoll.close()
        self._woken.close()
        self._waker.close()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor has the signal already."""
