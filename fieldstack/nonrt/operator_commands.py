"""Operators' commands as they come in through the control socket: each is answered, now or later.

Called by the loop of the Non-RT process between two passes. What cannot be answered at once is left to
`pending_answers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldstack.ha.decision.operator_requests import PREFIX
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.facts import RequestKind
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.nonrt.pending_answers import PendingAnswers, Readback
from fieldstack.nonrt.readback import EstopReadback
from fieldstack_base.control.server import Command, ControlServer
from fieldstack_rt.datastore import DataStore, EstopSource

_SHORT = {"rt": ProcessName.RT, "core": ProcessName.CORE}
_PLAIN = {"reset": RequestKind.RESET, "start": RequestKind.START, "shutdown": RequestKind.SHUTDOWN}
MAX_INJECTED_MS = 60_000
COMMANDS = ("reset", "start", "ack", "estop", "status", "shutdown", "restart", "request", "reload")


@dataclass(frozen=True, slots=True)
class OperatorCommandPorts:
    """What the commands work with."""

    server: ControlServer
    store: DataStore
    cell: CellMap
    answers: PendingAnswers
    status: Callable[[], dict[str, Any]]
    reload: Callable[[Path | None], Readback]
    """Begins a reload of the policy from that file; None: from the file in force."""
    inject: Callable[[str, int], None] | None = None
    """Lets a part of supervision fail until then (KeyError: there is none); None: no faults here."""


class OperatorCommandHandler:
    """Turns commands into requests for the decision core. EMERGENCY_STOP latches at once."""

    def __init__(self, ports: OperatorCommandPorts) -> None:
        self._ports = ports
        self._handlers: dict[str, Callable[[Command, int], None]] = {
            "ack": self._ack,
            "estop": self._estop,
            "restart": self._restart,
            "request": self._rule,
            "reload": self._reload,
            "status": self._status,
            "inject": self._inject,
        }

    def handle(self, command: Command, now_ns: int) -> None:
        """Every command is answered. It ends neither this process nor other commands."""
        try:
            self._do(command, now_ns)
        except Exception as error:
            self._refuse(command, self._ports.answers.fault(command.name, error))

    def _do(self, command: Command, now_ns: int) -> None:
        if kind := _PLAIN.get(command.name):
            self._ports.answers.request(command, kind)
        elif handler := self._handlers.get(command.name):
            handler(command, now_ns)
        else:
            self._refuse(command, f"unknown command {command.name!r}; known are: {', '.join(COMMANDS)}")

    # ---- what the decision core answers ----

    def _ack(self, command: Command, _now_ns: int) -> None:
        missing = [key for key in ("by", "note") if not command.text(key).strip()]
        if missing:
            self._refuse(command, f"ack needs {' and '.join(missing)}: who has looked, and what was found")
            return
        self._ports.answers.request(command, RequestKind.ACK, command.text("condition"))

    def _restart(self, command: Command, _now_ns: int) -> None:
        subject = command.text("subject") or command.text("process")
        subject = _SHORT.get(subject, subject)
        kind = subject.partition(":")[0]
        if subject not in _SHORT.values() and (kind not in ("slave", "module") or kind == subject):
            known = "rt, core, slave:NAME or module:NAME"
            self._refuse(command, f"restart needs a subject: {known}; not {subject!r}")
            return
        self._ports.answers.request(command, RequestKind.RESTART, subject)

    def _rule(self, command: Command, _now_ns: int) -> None:
        word = command.text("word")
        if not word:
            self._refuse(command, "request needs 'word': what a rule of the fact operator_request waits for")
            return
        kind = RequestKind.RULE_OFF if command.data.get("off") else RequestKind.RULE
        self._ports.answers.request(command, kind, f"{PREFIX}{word.removeprefix(PREFIX)}")

    # ---- what is done here ----

    def _estop(self, command: Command, now_ns: int) -> None:
        ports, by = self._ports, command.text("by")
        reason = command.text("reason") or "no reason given"
        source = EstopSource.API if command.text("source") == "api" else EstopSource.OPERATOR
        ports.store.estop.raise_(source, f"{reason} ({by})" if by else reason)
        ports.answers.await_readback(command, EstopReadback(ports.store, now_ns, ports.cell))

    def _reload(self, command: Command, _now_ns: int) -> None:
        file = command.text("file")
        self._ports.answers.await_readback(command, self._ports.reload(Path(file) if file else None))

    def _status(self, command: Command, _now_ns: int) -> None:
        self._ports.server.answer(command.client, ok=True, message="status", status=self._ports.status())

    def _inject(self, command: Command, now_ns: int) -> None:
        """`{"probe": "axes", "for_ms": 1000}`: that part of supervision raises for so long."""
        name, for_ms = command.text("probe"), command.data.get("for_ms")
        if self._ports.inject is None:
            self._refuse(command, "faults are not injected here: set `rt: {fault_injection: true}`")
        elif not isinstance(for_ms, int) or not 0 <= for_ms <= MAX_INJECTED_MS:
            self._refuse(command, f"for_ms must be a whole number up to {MAX_INJECTED_MS}, not {for_ms!r}")
        else:
            try:
                self._ports.inject(name, now_ns + for_ms * 1_000_000)
            except KeyError as error:
                self._refuse(command, f"there is no part {name!r}; known are: {error.args[0]}")
            else:
                self._ports.server.answer(command.client, ok=True, message=f"{name} fails for {for_ms} ms")

    def _refuse(self, command: Command, why: str) -> None:
        self._ports.server.answer(command.client, ok=False, message=why)
