"""Keeps operators' requests that wait for an answer of the decision core or for a read-back. It never blocks.

`operator_commands` puts requests in; a supervision pass takes them out and gives back what was decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from fieldstack.events.kinds import EventKind, Severity
from fieldstack.events.log import EventLog
from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.facts import Request, RequestKind
from fieldstack.ha.monitor.retried import trace_of
from fieldstack.nonrt.readback import Finding, ResetReadback, StartReadback
from fieldstack_base.control.server import Command, ControlServer
from fieldstack_rt.datastore import DataStore


class Readback(Protocol):
    """An answer that waits for its read-back."""

    def poll(self, now_ns: int) -> Finding | None:
        """None: not yet."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that is not answered yet; `client` -1: nobody waits for the answer."""

    client: int
    by: str
    name: str
    note: str = ""


class PendingAnswers:
    """Each request becomes one event with who asked. It is written down when its answer goes out."""

    def __init__(self, server: ControlServer, store: DataStore, cell: CellMap, log: EventLog) -> None:
        self._server, self._store, self._cell, self._log = server, store, cell, log
        self._requests: list[Request] = []
        self._asked: dict[int, _Asked] = {}
        self._readbacks: list[tuple[_Asked, Readback]] = []
        self._next = 1

    # ---- for commands ----

    def request(self, command: Command, kind: RequestKind, subject: str = "") -> None:
        """The decision core answers it."""
        request = Request(self._next, kind, command.text("by"), command.text("note"), subject)
        self._next += 1
        self._asked[request.id] = _asked(command)
        self._requests.append(request)

    def await_readback(self, command: Command, readback: Readback) -> None:
        self._readbacks.append((_asked(command), readback))

    def fault(self, command: str, error: Exception) -> str:
        """Log a defect of our code; the text is for the operator."""
        text = f"{type(error).__name__}: {error}"[:300]
        what = f"the command {command!r} failed: {text}"
        trace = trace_of(error)
        self._log.append(EventKind.SUPERVISION, severity=Severity.ERROR, what=what, traceback=trace)
        return f"a fault of Fieldstack ({text}); it may not have been done: look at `fieldstack status`"

    # ---- for the supervision pass ----

    def requests(self) -> tuple[Request, ...]:
        """The requests since the last call."""
        found, self._requests = tuple(self._requests), []
        return found

    def answer(self, action: Action, now_ns: int) -> None:
        """The decision's answer to a request. Those of a reset and a start go out when they are read back."""
        asked = self._asked.pop(action.request, _Asked(-1, "a signal", action.rule))
        if action.confirmed and action.rule == RequestKind.RESET:
            reset = ResetReadback(self._store, self._cell, action.cause, now_ns)
            self._readbacks.append((asked, reset))
        elif action.confirmed and action.axes:
            start = StartReadback(self._store, self._cell, action.cause, action.axes, now_ns)
            self._readbacks.append((asked, start))
        else:
            finding = Finding(action.confirmed, action.cause, again=bool(action.remark))
            self._answer(asked, finding, action.subject)

    @property
    def waiting(self) -> bool:
        """Whether something has to be read back: then the next pass should come soon."""
        return bool(self._readbacks)

    def follow(self, now_ns: int) -> None:
        """Answer the requests whose result was read back, or whose time is up."""
        for one in list(self._readbacks):
            asked, readback = one
            try:
                finding = readback.poll(now_ns)
            except Exception as error:
                finding = Finding(False, self.fault(asked.name, error))
            if finding is not None:
                self._readbacks.remove(one)
                self._answer(asked, finding)

    # ---- answers ----

    def _answer(self, asked: _Asked, finding: Finding, subject: str = "cell") -> None:
        if not finding.again:
            self._write_down(asked, finding, subject)
        more: dict[str, Any] = {"obeyed_cycle": finding.obeyed_cycle} if asked.name == "estop" else {}
        more |= {"again": True} if finding.again else {}
        self._server.answer(asked.client, ok=finding.confirmed, message=finding.text, **more)

    def _write_down(self, asked: _Asked, finding: Finding, subject: str) -> None:
        self._log.append(
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
