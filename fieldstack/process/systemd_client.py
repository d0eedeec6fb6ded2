"""Calls systemd's manager over D-Bus and receives its signals; belongs to one asyncio loop.

`systemd_bus.py` runs it in its thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError

from fieldstack.process.manager import ProcessManagerError
from fieldstack.process.systemd_unit import PROPERTIES, SERVICE, UNIT

NAME = "org.freedesktop.systemd1"
ROOT = "/org/freedesktop/systemd1"
MANAGER = "org.freedesktop.systemd1.Manager"
GETTER = "org.freedesktop.DBus.Properties"
CALL_S = 10.0
"""An answer that takes longer counts as none (polkit asks others before systemd answers)."""
JOBS_KEPT = 64
READ_ATTEMPTS = 5
_DENIED = frozenset(
    {
        "org.freedesktop.DBus.Error.AccessDenied",
        "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
    }
)
_REMEDY = "install polkit, and systemd/fieldstack.rules as /etc/polkit-1/rules.d/50-fieldstack.rules"


class SystemdError(ProcessManagerError):
    """systemd cannot be reached, or refuses; the text says what to do."""


class SystemdClient:
    """One connection. `on_change(unit, properties)` is called with what has changed of a watched unit.

    `address`: a D-Bus address; None: the system bus. Every method raises SystemdError.
    """

    def __init__(self, address: str | None, on_change: Callable[[str, dict[str, Any]], None]) -> None:
        self._address = address
        self._on_change = on_change
        self._bus: MessageBus | None = None
        self._paths: dict[str, str] = {}
        self._signals_seen: dict[str, int] = {}
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._removed: dict[str, str] = {}

    async def connect(self, units: Sequence[str]) -> None:
        """Connect and watch these units; their properties are reported once before this returns."""
        bus = MessageBus(self._address, BusType.SYSTEM, auth_timeout=CALL_S)
        try:
            self._bus = await asyncio.wait_for(bus.connect(), CALL_S)
        except Exception as error:  # an address of any wrong form, a bus that is not there, one that refuses
            raise SystemdError(str(error) or type(error).__name__) from error
        self._bus.add_message_handler(self._on_message)
        await self._match(f"interface='{MANAGER}',member='JobRemoved'")
        await self.call("Subscribe")
        for unit in units:
            (path,) = await self.call("LoadUnit", "s", [unit])
            self._paths[path] = unit
            await self._match(f"interface='{GETTER}',member='PropertiesChanged',path='{path}'")
        await self.refresh()

    @property
    def connected(self) -> bool:
        return self._bus is not None and self._bus.connected

    def disconnect(self) -> None:
        if self._bus is not None and self._bus.connected:
            self._bus.disconnect()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result("lost with the connection to the system bus")

    async def call(self, member: str, signature: str = "", body: Sequence[Any] = ()) -> list[Any]:
        """Calls a method of the manager; returns the values of its reply."""
        return await self._send(Message(NAME, ROOT, MANAGER, member, signature=signature, body=list(body)))

    async def job(self, path: str, timeout_s: float) -> str:
        """The result of a job: done, failed, canceled, timeout, dependency, skipped ..."""
        if path in self._removed:
            return self._removed.pop(path)
        waiting = self._waiting.setdefault(path, asyncio.get_running_loop().create_future())
        try:
            return await asyncio.wait_for(waiting, timeout_s)
        except TimeoutError:
            return f"not done within {timeout_s:g} s"
        finally:
            self._waiting.pop(path, None)

    async def refresh(self) -> None:
        """Read all watched units again: signals from before the connection are lost."""
        for path, unit in self._paths.items():
            kinds = (UNIT, SERVICE) if unit.endswith(".service") else (UNIT,)
            for kind in kinds:
                await self._refresh(path, unit, kind)

    async def _refresh(self, path: str, unit: str, kind: str) -> None:
        """Reads one interface in one reply, so that a pid is never combined with another process's outcome.
        If a signal came while the reply was on its way, the signal is newer, and the interface is read
        again."""
        for _ in range(READ_ATTEMPTS):
            seen = self._signals_seen.get(path, 0)
            (found,) = await self._send(Message(NAME, path, GETTER, "GetAll", signature="s", body=[kind]))
            if self._signals_seen.get(path, 0) == seen:
                known = [name for name in PROPERTIES[kind] if name in found]
                self._on_change(unit, {name: found[name].value for name in known})
                return

    async def _match(self, rule: str) -> None:
        name, path = "org.freedesktop.DBus", "/org/freedesktop/DBus"
        body = [f"type='signal',sender='{NAME}',{rule}"]
        await self._send(Message(name, path, name, "AddMatch", signature="s", body=body))

    async def _send(self, message: Message) -> list[Any]:
        if self._bus is None or not self._bus.connected:
            raise SystemdError("no connection to the system bus")
        try:
            reply = await asyncio.wait_for(self._bus.call(message), CALL_S)
        except TimeoutError:
            raise SystemdError(f"{message.member}: no answer within {CALL_S:g} s") from None
        except (OSError, EOFError, DBusError) as error:
            raise SystemdError(f"{message.member}: {error or type(error).__name__}") from error
        if reply is None:
            raise SystemdError(f"{message.member}: no answer")
        if reply.message_type is MessageType.ERROR:
            raise SystemdError(_refusal(str(message.member), reply))
        return list(reply.body)

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "JobRemoved":
            _, job, _, result = message.body
            self._job_removed(job, result)
        elif message.member == "PropertiesChanged" and message.path in self._paths:
            _, changed, _ = message.body
            self._signals_seen[message.path] = self._signals_seen.get(message.path, 0) + 1
            self._on_change(self._paths[message.path], {name: one.value for name, one in changed.items()})

    def _job_removed(self, job: str, result: str) -> None:
        waiting = self._waiting.get(job)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)
            return
        self._removed[job] = result  # it may be done before its call has returned
        while len(self._removed) > JOBS_KEPT:
            self._removed.pop(next(iter(self._removed)))


def _refusal(member: str, reply: Message) -> str:
    text = str(reply.body[0]) if reply.body else str(reply.error_name)
    return f"{member}: {text}" + (f"; {_REMEDY}" if reply.error_name in _DENIED else "")
