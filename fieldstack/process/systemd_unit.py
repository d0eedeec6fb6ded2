"""Reads one unit of systemd from its properties, and says in words how its last process ended.

`systemd.py` and `systemd_bus.py` use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fieldstack.process.local import ending
from fieldstack.process.manager import Ended
from fieldstack_rt.sd_notify import FAILED

UNIT = "org.freedesktop.systemd1.Unit"
SERVICE = "org.freedesktop.systemd1.Service"
PROPERTIES: Mapping[str, tuple[str, ...]] = {
    UNIT: ("LoadState", "ActiveState", "SubState"),
    SERVICE: (
        "MainPID",
        "ExecMainPID",
        "ExecMainCode",
        "ExecMainStatus",
        "Result",
        "StatusText",
        "NRestarts",
    ),
}
"""The properties that are read, by D-Bus interface."""

_CLD_EXITED = 1
_SUCCESS = frozenset({"", "success"})
_RUNNING = frozenset({"active", "activating", "reloading"})
_RESULTS = {
    "watchdog": "systemd's watchdog: no progress within the unit's WatchdogSec",
    "timeout": "systemd: its start or stop took longer than the unit allows",
    "oom-kill": "the kernel was out of memory",
    "resources": "systemd could not set it up, for example for a missing EnvironmentFile",
    "start-limit-hit": "started too often",
    "protocol": "it did not speak the protocol of its unit's Type",
}
_SETUP_FAILURES = {
    200: "systemd could not change to its working directory",
    203: "systemd could not execute its program: is it installed where ExecStart= says?",
    206: "systemd could not set its resource limits",
    214: "systemd could not set its scheduling",
    216: "systemd could not set its group",
    217: "systemd could not set its user: does the user exist?",
    218: "systemd could not give it its capabilities",
    233: "systemd could not make its runtime directory",
    238: "systemd could not make its state directory",
}
"""Exit statuses of systemd's own, for a process that never became the program (systemd.exec(5))."""


@dataclass(frozen=True, slots=True)
class UnitState:
    """`main_pid` is 0 while no process runs; `last_pid` and how it ended stay after its end."""

    load: str = ""
    active: str = ""
    sub: str = ""
    main_pid: int = 0
    last_pid: int = 0
    code: int = 0
    status: int = 0
    result: str = ""
    status_text: str = ""
    restarts: int = 0

    @property
    def runs(self) -> bool:
        """Whether its process runs or is starting."""
        return self.main_pid > 0 and self.active in _RUNNING

    @property
    def known(self) -> bool:
        return self.load == "loaded"

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> UnitState:
        """From D-Bus properties by name; what is missing counts as empty."""
        return cls(
            load=str(properties.get("LoadState", "")),
            active=str(properties.get("ActiveState", "")),
            sub=str(properties.get("SubState", "")),
            main_pid=int(properties.get("MainPID", 0)),
            last_pid=int(properties.get("ExecMainPID", 0)),
            code=int(properties.get("ExecMainCode", 0)),
            status=int(properties.get("ExecMainStatus", 0)),
            result=str(properties.get("Result", "")),
            status_text=str(properties.get("StatusText", "")),
            restarts=int(properties.get("NRestarts", 0)),
        )


def ended(unit: str, state: UnitState, pid: int) -> Ended:
    """How the process `pid` of a unit ended.

    Its status is None, which is no success, if systemd has not said it, has continued with another process,
    or calls the unit failed although its process returned 0.
    """
    if state.last_pid != pid or state.main_pid == pid or not state.code:
        return Ended(pid, None, "ended (systemd did not say how: that counts as a failure)")
    status = state.status if state.code == _CLD_EXITED else -state.status
    text = ending(status, last_message(unit, state))
    why = _RESULTS.get(state.result, "")
    text = f"{text} ({why})" if why else text
    if status == 0 and state.result not in _SUCCESS:
        return Ended(pid, None, f"{text}, but its unit failed: {state.result}")
    return Ended(pid, status, text)


def last_message(unit: str, state: UnitState) -> str:
    """The last message of the process when it ended by itself, else where to read more."""
    if state.status_text.startswith(FAILED):
        return state.status_text.removeprefix(FAILED)
    if state.code == _CLD_EXITED and state.status in _SETUP_FAILURES:
        return _SETUP_FAILURES[state.status]
    return f"see `journalctl -u {unit}`"


def failed_start(unit: str, state: UnitState, job: str) -> str:
    """Why a start of the unit failed before there was a process."""
    if state.load and not state.known:
        return f"systemd has no usable unit {unit} ({state.load}): install the files of systemd/"
    why = _RESULTS.get(state.result, f"job {job}")
    return f"systemd could not start {unit}: {why}; see `systemctl status {unit}`"
