"""Operators' commands as they come in through the control socket, and the answers that go back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fieldstack.control.server import Command, ControlServer
from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.facts import Request, RequestKind
from fieldstack.ha.vocabulary import ProcessName
from fieldstack_rt.datastore import DataStore, EstopSource, TornRecordError

OBEY_TIMEOUT_NS = 200_000_000
_PROCESSES = {"rt": ProcessName.RT, "core": ProcessName.CORE}
_PLAIN = {"reset": RequestKind.RESET, "shutdown": RequestKind.SHUTDOWN}
COMMANDS = ("reset", "estop", "status", "shutdown", "restart")


@dataclass(frozen=True, slots=True)
class _Unobeyed:
    """An EMERGENCY_STOP that RT has not been seen to obey yet."""

    client: int
    until_ns: int


class OperatorDesk:
    """Turns commands into requests for the decision core; EMERGENCY_STOP latches at once."""

    def __init__(
        self, server: ControlServer, store: DataStore, log: EventLog, status: Callable[[], dict[str, Any]]
    ) -> None:
        self._server, self._store, self._log, self._status = server, store, log, status
        self._requests: list[Request] = []
        self._clients: dict[int, int] = {}
        self._unobeyed: list[_Unobeyed] = []
        self._next = 1

    def take(self, command: Command, now_ns: int) -> None:
        if kind := _PLAIN.get(command.name):
            self._request(command, kind)
        elif command.name == "restart":
            self._restart(command)
        elif command.name == "estop":
            self._estop(command, now_ns)
        elif command.name == "status":
            self._server.answer(command.client, ok=True, message="status", status=self._status())
        else:
            message = f"unknown command {command.name!r}; known are: {', '.join(COMMANDS)}"
            self._server.answer(command.client, ok=False, message=message)

    def _request(self, command: Command, kind: RequestKind, subject: str = "") -> None:
        request = Request(self._next, kind, command.text("by"), command.text("note"), subject)
        self._next += 1
        self._clients[request.id] = command.client
        self._requests.append(request)

    def _restart(self, command: Command) -> None:
        name = command.text("process")
        if name not in _PROCESSES:
            message = f"restart needs 'process', one of {', '.join(_PROCESSES)}; not {name!r}"
            self._server.answer(command.client, ok=False, message=message)
            return
        self._request(command, RequestKind.RESTART, _PROCESSES[name])

    def _estop(self, command: Command, now_ns: int) -> None:
        by = command.text("by")
        reason = command.text("reason") or "no reason given"
        source = EstopSource.API if command.text("source") == "api" else EstopSource.OPERATOR
        self._store.estop.raise_(source, f"{reason} ({by})" if by else reason)
        self._unobeyed.append(_Unobeyed(command.client, now_ns + OBEY_TIMEOUT_NS))

    @property
    def waiting(self) -> bool:
        return bool(self._unobeyed)

    def requests(self) -> tuple[Request, ...]:
        found, self._requests = tuple(self._requests), []
        return found

    def answer(self, request: int, accepted: bool, text: str) -> None:
        client = self._clients.pop(request, None)
        if client is not None:
            self._server.answer(client, ok=accepted, message=text)

    def follow(self, now_ns: int) -> None:
        """Answer EMERGENCY_STOPs whose effect was read back, or whose time is up."""
        if not self._unobeyed:
            return
        obeyed = self._obeyed_cycle(now_ns)
        for one in list(self._unobeyed):
            if obeyed:
                text = f"EMERGENCY_STOP latched; RT obeyed it by cycle {obeyed}"
            elif now_ns >= one.until_ns:
                text = "EMERGENCY_STOP latched; RT does not cycle, so that nothing moves by its command"
            else:
                continue
            self._unobeyed.remove(one)
            self._log.append(EventKind.OPERATOR_REQUEST, request="estop", by="operator", outcome=text)
            self._server.answer(one.client, ok=True, message=text, obeyed_cycle=obeyed)

    def _obeyed_cycle(self, now_ns: int) -> int:
        try:
            status = self._store.rt_status()
        except TornRecordError:
            return 0
        if now_ns - int(status.cycle_ns) > OBEY_TIMEOUT_NS:  # of an RT process that has stopped
            return 0
        word = self._store.estop.state().word
        return int(status.cycle) if int(status.estop_seen) & word == word else 0
