"""A thread that keeps snapshots of systemd's units and carries out orders on them, for `systemd.py`.

The supervision pass never waits for it: it reads the last snapshot and leaves its orders.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from fieldstack.process.systemd_client import CALL_S, SystemdClient, SystemdError
from fieldstack.process.systemd_unit import UnitState, failed_start

JOB_S = 120.0
OLD_END_S = 2.0
"""How long a new start waits until systemd notices that the killed process before it has ended."""
REFRESH_S = 5.0
"""Signals report every change; this is for changes missed while the bus or systemd restarted."""
POLL_S = 0.5
"""How soon a lost connection is noticed and tried again."""


@dataclass(slots=True)
class Order:
    """A start that was ordered. The bus thread writes it; `failure` says why it failed. `given_up`, set by
    who ordered it: it must not be sent to systemd any more."""

    unit: str
    given_up: bool = False
    done: bool = False
    failure: str = ""


class SystemdBus:
    """Snapshots of `units` (services and targets by their full names) and orders on them.

    `address`: a D-Bus address; empty: the system bus.
    """

    def __init__(self, units: Iterable[str], address: str = "") -> None:
        self.ends: deque[tuple[str, UnitState]] = deque(maxlen=64)
        """A unit, and its state when a process of it had just ended."""
        self._units = tuple(units)
        self._address = address or None
        self._states = {unit: UnitState() for unit in self._units}
        self._properties: dict[str, dict[str, Any]] = {unit: {} for unit in self._units}
        self._client: SystemdClient | None = None
        self._failure = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="systemd-bus", daemon=True)

    # ---- from any thread; only `open` and `close` wait ----

    def open(self, timeout_s: float) -> None:
        """Start the thread and wait for the first snapshot of all units. Raises SystemdError."""
        self._thread.start()
        if self._tried.wait(timeout_s) and not self._failure:
            return
        why = self._failure or f"no answer within {timeout_s:g} s"
        self.close()
        raise SystemdError(
            f"systemd cannot be reached over the system bus: {why}; is dbus.service running? "
            "Without systemd, start the cell with `fieldstack up`"
        )

    def state(self, unit: str) -> UnitState:
        """The last snapshot of the unit."""
        return self._states[unit]

    def start(self, unit: str, old_pid: int) -> Order:
        """Start a process of the unit in place of `old_pid` (0: none), which has ended or was killed."""
        order = Order(unit)
        self._submit(self._start(order, old_pid))
        return order

    def stop(self, unit: str) -> None:
        """Sends SIGTERM to the unit's process, as its unit says; a start that is under way is cancelled."""
        self._submit(self._quietly("StopUnit", "ss", [unit, "replace"]))

    def kill(self, unit: str, number: int) -> None:
        """Sends a signal to all processes of the unit."""
        self._submit(self._quietly("KillUnit", "ssi", [unit, "all", number]))

    def close(self) -> None:
        """Ends the thread; idempotent. Orders that are under way are dropped."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(CALL_S)

    def _submit(self, work: Coroutine[Any, Any, None]) -> None:
        def begin() -> None:
            task = self._loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(begin)

    # ---- the thread ----

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        while not self._closing.is_set():
            self._client = SystemdClient(self._address, self._take)
            try:
                await self._client.connect(self._units)
                self._failure = ""
                self._tried.set()
                await self._keep(self._client)
            except Exception as error:  # also an answer of systemd in an unknown form: it is asked again
                if not isinstance(error, SystemdError):
                    traceback.print_exc()
                self._failure = str(error) or type(error).__name__
                self._tried.set()
            finally:
                self._client.disconnect()
            await self._pause()
        left = tuple(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _keep(self, client: SystemdClient) -> None:
        """Runs until the connection is lost or nobody needs it."""
        refreshed_s = self._loop.time()
        while client.connected and not self._closing.is_set():
            await self._pause()
            if self._loop.time() - refreshed_s >= REFRESH_S and not self._closing.is_set():
                refreshed_s = self._loop.time()
                await client.refresh()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), POLL_S)
        except TimeoutError:
            return

    def _take(self, unit: str, changed: dict[str, Any]) -> None:
        before = self._states[unit]
        self._properties[unit].update(changed)
        now = UnitState.of(self._properties[unit])
        if now == before:
            return
        self._states[unit] = now
        if before.main_pid and now.main_pid != before.main_pid:
            self.ends.append((unit, now))
        self._changed.set()

    # ---- orders ----

    async def _call(self, member: str, signature: str, body: list[Any]) -> list[Any]:
        if self._client is None:
            raise SystemdError("not connected yet")
        return await self._client.call(member, signature, body)

    async def _start(self, order: Order, old_pid: int) -> None:
        try:
            await self._old_one_gone(order.unit, old_pid)
            if order.given_up:
                raise SystemdError("given up before systemd was asked")
            # Restart, not start: a process whose end systemd has not seen yet would make a start do nothing.
            # "fail": a cell that is being stopped is not started again.
            (job,) = await self._call("RestartUnit", "ss", [order.unit, "fail"])
            assert self._client is not None  # noqa: S101 - it was called just now
            result = await self._client.job(job, JOB_S)
            if result != "done":
                order.failure = failed_start(order.unit, self._states[order.unit], result)
        except Exception as error:  # whatever it is, who waits for the order has to know
            order.failure = str(error) or type(error).__name__
        order.done = True

    async def _old_one_gone(self, unit: str, pid: int) -> None:
        """Reads how it ended before the unit continues with the next process."""
        until = self._loop.time() + OLD_END_S
        while pid and self._states[unit].main_pid == pid and (left := until - self._loop.time()) > 0:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                return

    async def _quietly(self, member: str, signature: str, body: list[Any]) -> None:
        """Sends an order. Its success shows in the unit's state; a refusal goes to the journal."""
        try:
            await self._call(member, signature, body)
        except SystemdError as error:
            print(f"fieldstack-nonrt: systemd: {error}", file=sys.stderr, flush=True)
