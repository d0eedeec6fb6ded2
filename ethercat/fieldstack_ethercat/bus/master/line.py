"""The line of slaves behind an open interface: SOEM's records of them, and single frames beside the cycle.

`Bus` owns it. The steps of a bring-up work on it, and RT's housekeeping reads registers through it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import pysoem

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.errors import BusClosedError, InterfaceError
from fieldstack_ethercat.bus.master import interface as network
from fieldstack_ethercat.bus.slave.slave_link import SlaveLink
from fieldstack_ethercat.bus.soem.acyclic import Acyclic
from fieldstack_ethercat.bus.soem.soem_view import SoemView
from fieldstack_ethercat.wire.coe import Emergency

KEPT_EMERGENCIES = 64


class Line:
    """Its calls may come from any thread and beside a running cycle; each is a few frames of 2 ms at most.

    `lock` is around whatever changes it. `emergencies`: the slaves' last messages (pysoem.Emergency).
    """

    def __init__(self, plan: BusPlan) -> None:
        self.plan = plan
        self.lock = threading.RLock()
        self.emergencies: deque[Any] = deque(maxlen=KEPT_EMERGENCIES)
        self._master: Any = None
        self._view: SoemView | None = None
        self._wire: Acyclic | None = None
        self._links: tuple[SlaveLink, ...] = ()

    @property
    def master(self) -> Any:
        """The open pysoem.Master. BusClosedError if there is none."""
        if self._master is None:
            raise BusClosedError("the bus is not open; call open() first")
        return self._master

    @property
    def view(self) -> SoemView:
        """SOEM's records of the slaves found. BusClosedError if none were looked for yet."""
        if self._view is None:
            raise BusClosedError("the bus is not configured; call configure() first")
        return self._view

    @property
    def wire(self) -> Acyclic:
        """Sends single frames to the slaves, beside the cycle."""
        if self._wire is None:
            self._wire = Acyclic(self.view)
        return self._wire

    def open(self, interface: str, link_timeout_ns: int) -> None:
        """Open the interface. InterfaceError if it is missing, forbidden or without link."""
        if self._master is not None:
            raise BusClosedError("the bus is open already")
        if not interface:
            raise InterfaceError(
                "", "none given", "Set `interface` in the bus configuration, or use --interface."
            )
        network.check(interface, link_timeout_ns)
        master = pysoem.Master()
        try:
            master.open(interface)
        except ConnectionError as error:
            raise InterfaceError(interface, f"cannot be opened: {error}", "Check `ip link`.") from error
        master.always_release_gil = True
        self._master = master

    def close(self) -> None:
        """Close the interface; harmless if it is closed."""
        master, self._master = self._master, None
        self.forget_slaves()
        if master is not None:
            master.close()

    def forget_slaves(self) -> None:
        """All slaves that were found before are looked for again."""
        self._view = self._wire = None
        self._links = ()

    def take_slaves(self) -> None:
        """SOEM's list of slaves has changed: makes the views of it again; emergencies come from all."""
        for slave in self.master.slaves:
            slave.add_emergency_callback(self.emergencies.append)
        self.forget_slaves()
        self._view = SoemView(self.master)

    def links(self) -> tuple[SlaveLink, ...]:
        """All planned slaves, for scripts. BusClosedError if they are not on the line as planned."""
        slaves: list[Any] = self.master.slaves or []
        if len(slaves) != len(self.plan.slaves):
            raise BusClosedError("the bus is not configured; call configure() first")
        if len(self._links) != len(slaves):
            self._links = tuple(
                SlaveLink(plan.position, plan.name, self.view.slave(plan.position), self.wire)
                for plan in self.plan.slaves
            )
        return self._links

    def link(self, position: int) -> SlaveLink:
        """The slave at that position, for scripts."""
        return self.links()[position]

    def count(self) -> int:
        """How many slaves answer, whatever their address; -1 if the frame that asks does not come back."""
        with self.lock:
            return self.wire.count()

    def read_register(self, position: int, address: int, size: int) -> bytes | None:
        """Registers of one slave by its station address; None if it does not answer."""
        with self.lock:
            return self.link(position).get(address, size)

    def write_register(self, position: int, address: int, data: bytes) -> bool:
        """Likewise; False if it does not answer."""
        with self.lock:
            return self.link(position).put(address, data)

    def keep_emergency(self, position: int, emergency: Emergency) -> None:
        """The position as pysoem gives it: SOEM's position counts from 1."""
        b1, *rest = emergency.data
        words = (rest[0] | rest[1] << 8, rest[2] | rest[3] << 8)
        code, register = emergency.error_code, emergency.error_register
        self.emergencies.append(pysoem.Emergency(position + 1, code, register, b1, *words))
