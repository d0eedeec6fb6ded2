"""Operators' commands as they come in through the control socket, and the answers that go back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.decision.operator_requests import PREFIX
from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.facts import Request, RequestKind
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.retried import trace_of
from fieldstack.nonrt.readback import EstopReadback, Finding, ResetReadback, StartReadback
from fieldstack_base.control.server import Command, ControlServer
from fieldstack_rt.datastore import DataStore, EstopSource

_SHORT = {"rt": ProcessName.RT, "core": ProcessName.CORE}
_PLAIN = {"reset": RequestKind.RESET, "start": RequestKind.START, "shutdown": RequestKind.SHUTDOWN}
MAX_INJECTED_MS = 60_000
COMMANDS = ("reset", "start", "ack", "estop", "status", "shutdown", "restart", "request", "reload")


class Readback(Protocol):
    """An answer that is on its way; None: not yet."""

    def poll(self, now_ns: int) -> Finding | None: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that is not answered yet; `client` -1: nobody waits for the answer."""

    client: int
    by: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class OperatorCommandPorts:
    """What the desk works with. `reload(file)` begins a reload of the policy; None: the file in force."""

    server: ControlServer
    store: DataStore
    log: EventLog
    cell: CellMap
    status: Callable[[], dict[str, Any]]
    reload: Callable[[Path | None], Readback]
    inject: Callable[[str, int], None] | None = None
    """Lets a part of supervision fail until then (KeyError: there is none); None: no faults here."""


class OperatorCommandHandler:
    """Turns commands into requests for the decision core; EMERGENCY_STOP latches at once.

    Each request is one event with who asked, taken down when its answer goes out.
    """

    def __init__(self, ports: OperatorCommandPorts) -> None:
        self._ports = ports
        self._requests: list[Request] = []
        self._asked: dict[int, _Asked] = {}
        self._readbacks: list[tuple[_Asked, Readback]] = []
        self._next = 1
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
        """Whatever a command leads to, it is answered, and ends neither this process nor other commands."""
        try:
            self._do(command, now_ns)
        except Exception as error:
            self._refuse(command, self._fault(command.name, error))

    def _do(self, command: Command, now_ns: int) -> None:
        if kind := _PLAIN.get(command.name):
            self._request(command, kind)
        elif handler := self._handlers.get(command.name):
            handler(command, now_ns)
        else:
            self._refuse(command, f"unknown command {command.name!r}; known are: {', '.join(COMMANDS)}")

    # ---- what the decision core answers ----

    def _request(self, command: Command, kind: RequestKind, subject: str = "") -> None:
        request = Request(self._next, kind, command.text("by"), command.text("note"), subject)
        self._next += 1
        self._asked[request.id] = _asked(command)
        self._requests.append(request)

    def _ack(self, command: Command, _now_ns: int) -> None:
        missing = [key for key in ("by", "note") if not command.text(key).strip()]
        if missing:
            self._refuse(command, f"ack needs {' and '.join(missing)}: who has looked, and what was found")
            return
        self._request(command, RequestKind.ACK, command.text("condition"))

    def _restart(self, command: Command, _now_ns: int) -> None:
        subject = command.text("subject") or command.text("process")
        subject = _SHORT.get(subject, subject)
        kind = subject.partition(":")[0]
        if subject not in _SHORT.values() and (kind not in ("slave", "module") or kind == subject):
            known = "rt, core, slave:NAME or module:NAME"
            self._refuse(command, f"restart needs a subject: {known}; not {subject!r}")
            return
        self._request(command, RequestKind.RESTART, subject)

    def _rule(self, command: Command, _now_ns: int) -> None:
        word = command.text("word")
        if not word:
            self._refuse(command, "request needs 'word': what a rule of the fact operator_request waits for")
            return
        kind = RequestKind.RULE_OFF if command.data.get("off") else RequestKind.RULE
        self._request(command, kind, f"{PREFIX}{word.removeprefix(PREFIX)}")

    def requests(self) -> tuple[Request, ...]:
        """What was asked since the last call."""
        found, self._requests = tuple(self._requests), []
        return found

    def answer(self, action: Action, now_ns: int) -> None:
        """The decision's answer to a request; that of a reset goes out when it was read back."""
        asked = self._asked.pop(action.request, _Asked(-1, "a signal", action.rule))
        if action.confirmed and action.rule == RequestKind.RESET:
            readback = ResetReadback(self._ports.store, self._ports.cell, action.cause, now_ns)
            self._readbacks.append((asked, readback))
        elif action.confirmed and action.axes:
            ports = self._ports
            started = StartReadback(ports.store, ports.cell, action.cause, action.axes, now_ns)
            self._readbacks.append((asked, started))
        else:
            self._tell(
                asked, Finding(action.confirmed, action.cause, again=bool(action.remark)), action.subject
            )

    # ---- what is answered here ----

    def _estop(self, command: Command, now_ns: int) -> None:
        by = command.text("by")
        reason = command.text("reason") or "no reason given"
        source = EstopSource.API if command.text("source") == "api" else EstopSource.OPERATOR
        self._ports.store.estop.raise_(source, f"{reason} ({by})" if by else reason)
        self._readbacks.append((_asked(command), EstopReadback(self._ports.store, now_ns, self._ports.cell)))

    def _reload(self, command: Command, _now_ns: int) -> None:
        file = command.text("file")
        self._readbacks.append((_asked(command), self._ports.reload(Path(file) if file else None)))

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

    # ---- read back ----

    @property
    def waiting(self) -> bool:
        return bool(self._readbacks)

    def follow(self, now_ns: int) -> None:
        """Answer what was read back, or whose time is up."""
        for one in list(self._readbacks):
            asked, readback = one
            try:
                finding = readback.poll(now_ns)
            except Exception as error:
                finding = Finding(False, self._fault(asked.name, error))
            if finding is not None:
                self._readbacks.remove(one)
                self._tell(asked, finding)

    def _fault(self, command: str, error: Exception) -> str:
        """What to tell about a fault of ours; where it is, the event log says."""
        text = f"{type(error).__name__}: {error}"[:300]
        what = f"the command {command!r} failed: {text}"
        self._ports.log.append(
            EventKind.SUPERVISION, severity=Severity.ERROR, what=what, traceback=trace_of(error)
        )
        return f"a fault of Fieldstack ({text}); it may not have been done: look at `fieldstack status`"

    def _tell(self, asked: _Asked, finding: Finding, subject: str = "cell") -> None:
        if not finding.again:
            self._write_down(asked, finding, subject)
        more: dict[str, Any] = {"obeyed_cycle": finding.obeyed_cycle} if asked.name == "estop" else {}
        more |= {"again": True} if finding.again else {}
        self._ports.server.answer(asked.client, ok=finding.confirmed, message=finding.text, **more)

    def _write_down(self, asked: _Asked, finding: Finding, subject: str) -> None:
        self._ports.log.append(
            EventKind.OPERATOR_REQUEST,
            severity=Severity.INFO if finding.confirmed else Severity.WARNING,
            request=asked.name,
            by=asked.by,
            note=asked.note,
            subject=subject,
            accepted=finding.confirmed,
            outcome=finding.text,
        )


def _asked(command: Command) -> _Asked:
    return _Asked(command.client, command.text("by") or "an operator", command.name, command.text("note"))
