"""Sends a process's state to systemd (sd_notify(3)): that it works, makes progress, and how it is.

RT, Non-RT and the process that runs the tasks use it; without systemd nothing is sent. Nothing here waits: a
message that systemd does not take at once is dropped, and is sent again with the next progress.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import MutableMapping

FAILED = "failed: "
"""What the status text of a process begins with that gave up by itself."""
PINGS_PER_TIMEOUT = 4
TEXT_BYTES = 1024


class Notifier:
    """One process's line to systemd; `address` empty: there is none. Times are CLOCK_MONOTONIC ns.

    `watchdog_ns`: progress must be reported at least this often (WatchdogSec of the unit); 0: not asked for.
    """

    def __init__(self, address: str = "", watchdog_ns: int = 0) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._ping_ns = watchdog_ns // PINGS_PER_TIMEOUT
        self._pinged_ns: int | None = None
        self._ready = False
        self._status = ""
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Takes systemd's variables out of the environment: children do not speak for this process."""
        address = environment.pop("NOTIFY_SOCKET", "")
        timeout_us = environment.pop("WATCHDOG_USEC", "")
        meant = environment.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        valid = meant and timeout_us.isdecimal()
        return cls(address, int(timeout_us) * 1000 if valid else 0)

    def progress(self, now_ns: int, status: str = "") -> None:
        """Call it after each completed unit of work, and only then: it feeds the watchdog. The first call
        also says that the process works. A status text is sent when it has changed."""
        lines = [] if self._ready else ["READY=1"]
        ping = self._ping_ns and (self._pinged_ns is None or now_ns - self._pinged_ns >= self._ping_ns)
        if ping:
            lines.append("WATCHDOG=1")
        if status != self._status:
            lines.append(f"STATUS={_one_line(status)}")
        if not lines or not self._send(lines):
            return
        self._ready, self._status = True, status
        if ping:
            self._pinged_ns = now_ns

    def stopping(self, status: str = "going down") -> None:
        """The process goes down by itself or by request: no progress is asked for from here on."""
        self._send(["STOPPING=1", f"STATUS={_one_line(status)}"])

    def failed(self, why: str) -> None:
        """Sends the last message, which `systemctl status` and the Non-RT process show."""
        self._send([f"STATUS={FAILED}{_one_line(why)}"])

    def _send(self, lines: list[str]) -> bool:
        if self._socket is None:
            return True
        with contextlib.suppress(OSError):
            self._socket.sendto("\n".join(lines).encode(), socket.MSG_NOSIGNAL, self._address)
            return True
        return False

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


def _one_line(text: str) -> str:
    joined = "; ".join(line.strip() for line in text.splitlines() if line.strip())
    return joined.encode(errors="replace")[:TEXT_BYTES].decode(errors="ignore")


@functools.cache
def notifier() -> Notifier:
    """This process's own; made at the first call, which empties the environment of systemd's variables."""
    return Notifier.from_environment(os.environ)
