"""Ends an RT process that nobody guards, and reads back from the wire what happened to the outputs.

Non-RT uses it before it takes a memory over, and so does the end of a cell.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fieldstack_base import bounded_json
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import memory
from fieldstack_rt.datastore.rt_process_search import RtProcess, mapping_of, option, rt_processes
from fieldstack_rt.wire_state import WireState, make_safe

STANDSTILL_TIMEOUT_S = 6.0
"""Time for the axes' controlled stop (RT itself takes 5 s at most) and for taking the slaves down."""
_KILLED_S = 1.0
_WIRE_S = 1.0
LOOK = "Look at the machine; the hardwired emergency stop takes the power off"


@dataclass(frozen=True, slots=True)
class Wire:
    """The interface of the bus, and how many slaves it has; an empty interface: not known."""

    interface: str
    slaves: int

    @classmethod
    def of(cls, plan_file: Path, rt_command: tuple[str, ...] = ()) -> Wire:
        """The bus of the plan that RT reads; its command line may name another interface."""
        try:
            plan = bounded_json.loads(plan_file.read_bytes())
            slaves, planned = len(plan["slaves"]), str(plan.get("interface", ""))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            slaves, planned = 0, ""
        return cls(option(rt_command, "--interface") or planned, slaves)


@dataclass(frozen=True, slots=True)
class RtEndResult:
    """The result. `gone`: the process has ended. `killed`: it had to be killed. `wire`: as read back after
    that."""

    pid: int
    gone: bool
    killed: bool
    took_s: float
    wire: WireState

    @property
    def safe(self) -> bool:
        return self.gone and self.wire.safe

    def __str__(self) -> str:
        how = (
            "was killed, for it did not end by itself" if self.killed else "ended by its own controlled stop"
        )
        text = f"RT process {self.pid} {how} within {self.took_s:.1f} s"
        if not self.gone:
            text = f"RT process {self.pid} could not be ended within {self.took_s:.1f} s"
        if self.safe:
            return f"{text}; outputs are safe: {self.wire}"
        return f"{text}; safe outputs are NOT CONFIRMED: {self.wire}. {LOOK}"


def end_rt(found: RtProcess, wire: Wire, stand_s: float = STANDSTILL_TIMEOUT_S) -> RtEndResult:
    """Sends SIGTERM: the axes stop and the slaves are taken down. After `stand_s` it sends SIGKILL. Then it
    reads the wire. This takes at most `stand_s` and 2 s. It never signals another process that has the
    same pid now."""
    begin_s = time.monotonic()
    gone, killed = _end(found, stand_s)
    took_s = time.monotonic() - begin_s
    if not gone:
        return RtEndResult(found.pid, gone, killed, took_s, WireState(wire.slaves, error="RT still has it"))
    read_back = make_safe(found.interface or wire.interface, wire.slaves, _WIRE_S)
    return RtEndResult(found.pid, gone, killed, took_s, read_back)


def _end(found: RtProcess, stand_s: float) -> tuple[bool, bool]:
    """Whether it has ended, and whether it had to be killed."""
    try:
        pidfd = os.pidfd_open(found.pid)
    except ProcessLookupError:
        return True, False
    try:
        if found not in rt_processes(
            found.instance
        ):  # checked after the open: from here on the pidfd holds it
            return True, False
        return _signal_it(pidfd, stand_s)
    finally:
        os.close(pidfd)


def _signal_it(pidfd: int, stand_s: float) -> tuple[bool, bool]:
    gone = select.poll()
    gone.register(pidfd, select.POLLIN)
    with suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        signal.pidfd_send_signal(pidfd, signal.SIGCONT)  # a stopped process could not obey
    if gone.poll(stand_s * 1000):
        return True, False
    with suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    return bool(gone.poll(_KILLED_S * 1000)), True


def rt_on_other_memory(instance: Instance) -> list[RtProcess]:
    """Living RT processes on another shared memory than the one of that name, as far as the kernel shows
    them."""
    try:
        named = memory.file_of(instance.shm_name).stat().st_ino
    except OSError:
        named = 0
    living = [(one, mapping_of(one.pid, instance.shm_name)) for one in rt_processes(instance.name)]
    return [one for one, mapping in living if mapping is not None and mapping.inode != named]
