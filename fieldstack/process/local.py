"""The local process manager, for cells without systemd; Non-RT uses it under `fieldstack up`.

It starts processes that survive it, finds them again, and never signals a reused pid.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fieldstack.process.identity import Identity, identify, open_pidfd, read_pid_file, write_pid_file
from fieldstack.process.log_file import LogFile
from fieldstack.process.manager import Ended, ProcessHandle, ProcessStartError
from fieldstack.process.warm_spare import Spare, end_spare, release_spare

BOUND_EVERY_S = 5.0
_GATE = ("/bin/sh", "-c", 'read go && exec "$0" "$@" </dev/null')
"""Waits for a line, then becomes the program (same pid, same start time). It ends when the pipe ends."""


@dataclass(slots=True)
class _Watched:
    """One process, from its start or adoption until it was reaped."""

    handle: ProcessHandle
    identity: Identity
    child: subprocess.Popen[bytes] | None
    kill_at: float = 0.0
    poll: select.poll = field(default_factory=select.poll)

    def __post_init__(self) -> None:
        self.poll.register(self.handle.pidfd, select.POLLIN)

    @property
    def over(self) -> bool:
        """Whether it has ended (a zombie has)."""
        return bool(self.poll.poll(0))


class LocalProcessManager:
    """Starts each process in a session of its own (a death of the parent does not reach it).

    `commands`: command line by name. Pid files (`NAME.pid`) and logs (`NAME.log`) lie in `runtime_dir`;
    a manager that is made again adopts what still runs. Time-outs are CLOCK_MONOTONIC seconds.
    """

    def __init__(
        self,
        commands: Mapping[str, tuple[str, ...]],
        runtime_dir: Path,
        pid_files: Mapping[str, Path] | None = None,
        log_bytes: int = 1 << 20,
    ) -> None:
        self._commands = dict(commands)
        self._folder = runtime_dir
        self._pid_files = {name: runtime_dir / f"{name}.pid" for name in commands} | dict(pid_files or {})
        self._logs = {name: LogFile(runtime_dir / f"{name}.log", log_bytes) for name in commands}
        self._live: dict[str, _Watched] = {}
        self._ended: dict[str, Ended] = {}
        self._replaced: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._late: list[tuple[str, Ended]] = []
        self._bound_at = 0.0
        self._spares: dict[str, Spare] = {}

    def spare_failures(self) -> dict[str, tuple[int, str]]:
        """How often in a row each process's spare failed, and why; those without failures are left out."""
        return {name: (one.failures, one.why) for name, one in self._spares.items() if one.failures}

    def keep_spare(self, name: str) -> None:
        """Keep a warm spare of this process, whose program must know `--standby`; `start` then uses the
        spare."""
        if name not in self._spares:
            self._spares[name] = Spare(
                self._commands[name], lambda command, stdin: self._spawn(name, command, stdin)
            )
        self._spares[name].keep(time.monotonic())

    @property
    def going_down(self) -> bool:
        """Whether the cell is to end for a reason that only the process manager knows; here it never is."""
        return False

    def close(self) -> None:
        """Release everything; the processes continue, spares end."""
        self.discard_spares()

    def discard_spares(self) -> None:
        for spare in self._spares.values():
            spare.discard()

    def adopt(self, name: str) -> ProcessHandle | None:
        identity = read_pid_file(self._pid_files[name])
        if identity is None or name in self._live:
            return self.handle(name)
        pidfd = open_pidfd(identity)
        if pidfd is None:
            return None
        handle = ProcessHandle(name, identity.pid, pidfd, adopted=True)
        self._live[name] = _Watched(handle, identity, None)
        return handle

    def start(self, name: str) -> ProcessHandle:
        self._set_aside(name)
        self._ended.pop(name, None)
        spare = self._spares.get(name)
        try:
            child = (spare and spare.activate(lambda pid: self._announce(name, pid))) or self._start_new(name)
        except OSError as error:
            raise ProcessStartError(name, self._commands[name], _why(error, self._folder)) from error
        pidfd = os.pidfd_open(child.pid)  # a child that was not reaped keeps its pid
        identity = identify(child.pid) or Identity(child.pid, 0, "")
        handle = ProcessHandle(name, child.pid, pidfd, adopted=False)
        self._live[name] = _Watched(handle, identity, child)
        return handle

    def _announce(self, name: str, pid: int) -> None:
        write_pid_file(self._pid_files[name], identify(pid) or Identity(pid, 0, ""))

    def _start_new(self, name: str) -> subprocess.Popen[bytes]:
        """A process that does nothing before its pid is on disk. If we are killed before that, it ends.
        Otherwise it would run without anybody who knows of it, and our successor would start a second one."""
        command = self._commands[name]
        if shutil.which(command[0]) is None:
            raise ProcessStartError(name, command, os.strerror(errno.ENOENT))
        child = self._spawn(name, (*_GATE, *command), subprocess.PIPE)
        try:
            self._announce(name, child.pid)
        except OSError:
            end_spare(child)
            raise
        with contextlib.suppress(OSError):  # it is gone already: its end is seen as any other
            release_spare(child)
        return child

    def _spawn(self, name: str, command: tuple[str, ...], stdin: int) -> subprocess.Popen[bytes]:
        output = -1
        try:
            output = self._logs[name].open()
            return subprocess.Popen(
                command,
                stdin=stdin,
                stdout=output,
                stderr=output,
                start_new_session=True,
                close_fds=True,
            )
        except OSError as error:
            raise ProcessStartError(name, command, _why(error, self._folder)) from error
        finally:
            if output >= 0:
                os.close(output)

    def _set_aside(self, name: str) -> None:
        """A process that is ending still needs reaping, but its name is free."""
        watched = self._live.pop(name, None)
        if watched is None:
            return
        os.close(watched.handle.pidfd)
        if watched.child is not None:
            self._replaced.append((name, watched.child))

    def handle(self, name: str) -> ProcessHandle | None:
        self._reap(name)
        watched = self._live.get(name)
        return watched.handle if watched else None

    def ended(self, name: str) -> Ended | None:
        self._reap(name)
        return self._ended.get(name)

    def _reap(self, name: str) -> None:
        watched = self._live.get(name)
        if watched is None or not watched.over:
            return
        del self._live[name]
        os.close(watched.handle.pidfd)
        status = watched.child.wait() if watched.child is not None else None
        self._ended[name] = Ended(watched.handle.pid, status, ending(status, self.last_message(name)))
        self._pid_files[name].unlink(missing_ok=True)

    def kill(self, name: str) -> None:
        self._signal(name, signal.SIGKILL)

    def stop(self, name: str, timeout_s: float) -> None:
        watched = self._live.get(name)
        if watched is not None and not watched.kill_at:
            watched.kill_at = time.monotonic() + timeout_s
            self._signal(name, signal.SIGTERM)
            self._signal(name, signal.SIGCONT)  # a stopped process could not obey

    def _signal(self, name: str, number: signal.Signals) -> None:
        watched = self._live.get(name)
        if watched is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(watched.handle.pidfd, number)

    def tick(self) -> None:
        now = time.monotonic()
        for name, watched in list(self._live.items()):
            self._reap(name)
            if watched.kill_at and now >= watched.kill_at:
                self._signal(name, signal.SIGKILL)
        self._reap_replaced()
        if now >= self._bound_at:
            self._bound_at = now + BOUND_EVERY_S
            for log in self._logs.values():
                log.bound()

    def _reap_replaced(self) -> None:
        for name, child in list(self._replaced):
            if (status := child.poll()) is not None:
                self._replaced.remove((name, child))
                self._late.append((name, Ended(child.pid, status, ending(status, ""))))

    def take_late_ends(self) -> list[tuple[str, Ended]]:
        late, self._late = self._late, []
        return late

    def last_message(self, name: str) -> str:
        return self._logs[name].last_message()


def _why(error: OSError, folder: Path) -> str:
    """The error with the file that could not be made, and what to do if its file system is full."""
    said = error.strerror or str(error)
    where = f": {error.filename}" if error.filename else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = f"; make room for pid file and log in {folder} (df, df -i)" if full else ""
    return f"{said}{where}{remedy}"


def ending(status: int | None, words: str) -> str:
    """An exit status in words, with the last message of the process if it failed by itself."""
    if status is None:
        return "ended (its status went to an earlier Non-RT process)"
    if status < 0:
        return f"killed by {_signal_name(-status)}"
    if status == 0:
        return "exit status 0"
    return f"exit status {status}" + (f", last words: {words}" if words else "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
