"""The interface between supervision and a process manager; local.py and systemd.py implement it.

Non-RT starts, watches and ends RT and the process that runs the tasks through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class ProcessManagerError(RuntimeError):
    """Nothing can start and stop processes; the text says why and what to do."""


class ProcessStartError(RuntimeError):
    """A process could not be started, for example because its program is not installed."""

    def __init__(self, name: str, command: tuple[str, ...], why: str) -> None:
        super().__init__(f"{name} could not be started: {why}; command: {' '.join(command)}")
        self.name = name
        self.command = command


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended. `status` as in `subprocess`: negative is a signal. None: not known, because an
    earlier Non-RT process had started it."""

    pid: int
    status: int | None
    text: str


@dataclass(frozen=True, slots=True)
class ProcessHandle:
    """A live process. `pidfd` becomes readable when it ends, and never means another process. While a start
    is under way and its process is not known yet, `pid` is 0 and `pidfd` -1."""

    name: str
    pid: int
    pidfd: int
    adopted: bool


class ProcessManager(Protocol):
    """Starts and stops processes. Names are the unit names, for example `fieldstack-rt`."""

    def adopt(self, name: str) -> ProcessHandle | None:
        """The process of that name that still runs from an earlier start, if any."""

    def start(self, name: str) -> ProcessHandle:
        """Start it; what remains of an earlier process is reaped later. Raises ProcessStartError."""

    def handle(self, name: str) -> ProcessHandle | None:
        """The live process of that name."""

    def ended(self, name: str) -> Ended | None:
        """How the last process of that name ended; None while it lives or if there was none."""

    def kill(self, name: str) -> None:
        """SIGKILL, at once; does not wait."""

    def stop(self, name: str, timeout_s: float) -> None:
        """SIGTERM; after `timeout_s`, `tick` sends SIGKILL. Does not wait."""

    def tick(self) -> None:
        """Do what is due: reap processes, kill those that did not stop in time, bound the logs."""

    def take_late_ends(self) -> list[tuple[str, Ended]]:
        """How processes ended whose successor was already started; each is returned once."""

    @property
    def going_down(self) -> bool:
        """Whether the cell is to end for a reason that only the process manager knows."""

    def close(self) -> None:
        """Release everything; the processes continue."""

    def last_message(self, name: str) -> str:
        """The last line that the process wrote, for error texts."""
