"""Brings a bus up: open, compare with the plan, configure in PRE-OP, map, SAFE-OP, OP.

The phases are apart because the native cycle starts between them:
`open() -> configure() -> soem_context() -> (the caller starts the cycle) -> request_op()`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import pysoem

from fieldstack_ethercat.bus import interface as network
from fieldstack_ethercat.bus import process_image, slave_setup, topology
from fieldstack_ethercat.bus.distributed_clocks import Clocks
from fieldstack_ethercat.bus.errors import (
    BusClosedError,
    BusError,
    InterfaceError,
    MailboxFailureError,
    NoSlavesError,
    StateChangeError,
    TopologyMismatchError,
)
from fieldstack_ethercat.bus.plan import BusPlan
from fieldstack_ethercat.bus.soem_context import SoemContext, SoemView
from fieldstack_ethercat.bus.soem_structs import COE_COMPLETE_ACCESS, MAILBOX_COE
from fieldstack_ethercat.bus.states import SlaveState, hint
from fieldstack_ethercat.wire.al import ERROR, AlState, code_text

SECOND_LOOKS = 2
"""So often a wire that differs from the plan is looked at again before that is said."""
LINK_TIMEOUT_NS = 3_000_000_000
STATE_TIMEOUT_NS = 2_000_000_000
STATE_POLL_NS = 500_000
SLAVE_TIMEOUT_US = 2000
SLAVE_COUNT_EXCEEDED = -4
"""SOEM's answer to more slaves than it has places for."""
KEPT_EMERGENCIES = 64


class Bus:
    """An EtherCAT bus on one interface, set up as its plan says.

    Acyclic calls may come from any thread and beside a running cycle; they hold the GIL while they wait for
    the slaves, up to tens of milliseconds. Stop the cycle before `close`.
    """

    def __init__(self, plan: BusPlan, interface: str = "") -> None:
        """`interface` overrides the plan's."""
        self.plan = plan
        self.interface = interface or plan.interface
        self.emergencies: deque[Any] = deque(maxlen=KEPT_EMERGENCIES)
        """The last emergency messages of the slaves (pysoem.Emergency), oldest first."""
        self.lacking: dict[int, tuple[int, ...]] = {}
        """By position: objects that say how a drive stops, which it does not have."""
        self._master: Any = None
        self._view: SoemView | None = None
        self._context: SoemContext | None = None
        self._clocks: Clocks | None = None
        self._found: tuple[topology.FoundSlave, ...] = ()
        self._setup_error: BusError | None = None
        self._lock = threading.RLock()

    def __enter__(self) -> Bus:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def master(self) -> Any:
        """The open pysoem.Master. BusClosedError if there is none."""
        if self._master is None:
            raise BusClosedError("the bus is not open; call open() first")
        return self._master

    def open(self, link_timeout_ns: int = LINK_TIMEOUT_NS) -> None:
        """Open the interface. InterfaceError if it is missing, forbidden or without link."""
        if self._master is not None:
            raise BusClosedError("the bus is open already")
        if not self.interface:
            raise InterfaceError(
                "", "none given", "Set `interface` in the bus configuration, or use --interface."
            )
        network.check(self.interface, link_timeout_ns)
        master = pysoem.Master()
        try:
            master.open(self.interface)
        except ConnectionError as error:
            raise InterfaceError(self.interface, f"cannot be opened: {error}", "Check `ip link`.") from error
        master.always_release_gil = True
        self._master = master

    def close(self) -> None:
        """Close the interface; harmless if it is closed. The slaves' watchdogs end their state."""
        with self._lock:
            master, self._master = self._master, None
            self._view = self._context = self._clocks = None
            self._found = ()
            if master is not None:
                master.close()

    def find(self) -> tuple[topology.FoundSlave, ...]:
        """Enumerate the slaves and take them to PRE-OP. NoSlavesError if nobody answers.

        `configure` does it if nobody has. It is most of a bring-up and does not hold the GIL, so that a
        process may let a thread do it while it imports the rest of itself.
        """
        with self._lock:
            self._view = self._context = self._clocks = None
            count = self.master.config_init(release_gil=True)
            if not self.master.slaves:
                if count == SLAVE_COUNT_EXCEEDED:
                    raise BusError("more slaves on the wire than SOEM can hold (199): split the bus")
                raise NoSlavesError(self.interface, len(self.plan.slaves))
            self._view = SoemView(self.master)
            for slave in self.master.slaves:
                slave.add_emergency_callback(self.emergencies.append)
            self._found = tuple(
                topology.FoundSlave(position, slave.man, slave.id, slave.rev, slave.name)
                for position, slave in enumerate(self.master.slaves)
            )
            return self._found

    def configure(self, timeout_ns: int = STATE_TIMEOUT_NS) -> None:
        """Take the slaves to SAFE-OP as planned: PDO mapping, start-up SDOs, watchdogs, process image.

        TopologyMismatchError before anything is written if other slaves are there than planned;
        DistributedClockError, MappingMismatchError, StartupSdoError, RegisterWriteError or StateChangeError
        if one cannot be set up; SoemLayoutError if pysoem is not as it must be.
        """
        found = self._found or self.find()
        self._found = ()
        self._require_planned(found)
        with self._lock:
            self._setup_error = None
            for slave in self.master.slaves:
                slave.config_func = self._hook
            if self.plan.distributed_clocks:
                self._clocks = Clocks(self, self.master, self._configured_view(), self.plan)
                self._clocks.set_up()
            self._context = self._map()
            self.wait_for_state(AlState.SAFEOP, timeout_ns)

    def _require_planned(self, found: tuple[topology.FoundSlave, ...]) -> None:
        """A frame that gets lost while SOEM reads an EEPROM reads as zeros: look again at what differs."""
        for _ in range(SECOND_LOOKS):
            if not topology.compare(self.plan.slaves, found):
                return
            found = self.find()
        if differences := topology.compare(self.plan.slaves, found):
            raise TopologyMismatchError(differences)

    def soem_context(self) -> SoemContext:
        """The addresses for the native cycle. The outputs there are safe until somebody changes them."""
        if self._context is None:
            raise BusClosedError("the bus is not configured; call configure() first")
        return self._context

    def request_op(self, timeout_ns: int = STATE_TIMEOUT_NS) -> None:
        """Take all slaves from SAFE-OP to OP while the caller's cycle runs; StateChangeError if one stays."""
        self.request_state(AlState.OP, timeout_ns)

    def request_state(self, state: AlState, timeout_ns: int = STATE_TIMEOUT_NS) -> None:
        """Request an AL state of all slaves at once and wait for it."""
        with self._lock:
            self.master.state = int(state)
            self.master.write_state()
        self.wait_for_state(state, timeout_ns)

    def wait_for_state(self, state: AlState, timeout_ns: int = STATE_TIMEOUT_NS) -> None:
        """Wait until every slave is in `state`; StateChangeError if one refuses, or at the deadline."""
        deadline_ns = time.monotonic_ns() + timeout_ns
        while True:
            states = self.read_states()
            late = [slave for slave in states if slave.state is not state or slave.error]
            if not late:
                return
            refused = next((slave for slave in late if slave.error), None)
            if refused or time.monotonic_ns() >= deadline_ns:
                gone = next((slave for slave in late if not slave.answers), None)
                raise _state_change_error(state, refused or gone or late[0])
            time.sleep(STATE_POLL_NS / 1e9)

    def read_states(self) -> tuple[SlaveState, ...]:
        """Every slave's AL state, read now: one frame if all agree, else one more for each slave."""
        with self._lock:
            self.master.read_state()
            return tuple(
                SlaveState(plan.position, plan.name, slave.state, slave.al_status)
                for plan, slave in zip(self.plan.slaves, self._slaves(), strict=True)
            )

    def exchange(self, timeout_us: int = 0) -> int:
        """One exchange of process data from Python: for commissioning and tests, not for the real-time cycle.

        Returns the working counter; -1 if the frame did not come back in time (default: the plan's time).
        """
        master = self.master
        master.send_processdata(release_gil=True)
        return int(master.receive_processdata(timeout_us or self.plan.receive_timeout_us, release_gil=True))

    def acknowledge(self, position: int, state: AlState) -> None:
        """Clear a slave's error flag by acknowledging the state that it is in."""
        self.request_slave(position, state | ERROR)

    def request_slave(self, position: int, control: int) -> None:
        """Write AL control of one slave; does not wait."""
        with self._lock:
            slave = self._slaves()[position]
            slave.state = control
            slave.write_state()

    def recover_address(self, position: int) -> bool:
        """Give a slave that came back its station address; False if it is not there or is another one."""
        with self._lock:
            return bool(self._slaves()[position].recover(SLAVE_TIMEOUT_US) > 0)

    def reconfigure(self, position: int) -> SlaveState:
        """Take one slave through INIT and PRE-OP to SAFE-OP with its planned set-up.

        Returns the state reached; an error of the set-up is raised as in `configure`.
        """
        with self._lock:
            self._setup_error = None
            raw = self._slaves()[position].reconfig(SLAVE_TIMEOUT_US)
            if self._setup_error:
                raise self._setup_error
            return SlaveState(position, self.plan.slaves[position].name, raw)

    @property
    def clock_positions(self) -> tuple[int, ...]:
        """Slaves whose distributed clocks follow the reference clock, itself among them; empty: none do."""
        return self._clocks.positions if self._clocks is not None else ()

    def tend_clocks(self, states: Sequence[SlaveState]) -> tuple[int, ...]:
        """Choose the reference clock among the slaves that answer, and align the clocks of those that came
        back; their positions. `states`: as just read. To be called before such a slave is set up anew."""
        if self._clocks is None:
            return ()
        with self._lock:
            return self._clocks.tend([state.position for state in states if state.answers])

    def read_register(self, position: int, address: int, size: int) -> bytes | None:
        """Registers of one slave by its station address; None if it does not answer."""
        with self._lock:
            try:
                return bytes(self._slaves()[position]._fprd(address, size, SLAVE_TIMEOUT_US))
            except pysoem.WkcError:
                return None

    def write_register(self, position: int, address: int, data: bytes) -> bool:
        """Likewise; False if it does not answer."""
        with self._lock:
            try:
                self._slaves()[position]._fpwr(address, data, SLAVE_TIMEOUT_US)
            except pysoem.WkcError:
                return False
            return True

    def _slaves(self) -> list[Any]:
        slaves: list[Any] = self.master.slaves or []
        if len(slaves) != len(self.plan.slaves):
            raise BusClosedError("the bus is not configured; call configure() first")
        return slaves

    def _set_up(self, position: int) -> None:
        view, plan = self._configured_view(), self.plan.slaves[position]
        record = view.slave(position)
        has_coe = bool(record.mailbox_protocols & MAILBOX_COE)
        complete_access = bool(record.coe_details & COE_COMPLETE_ACCESS)
        self.lacking[position] = slave_setup.set_up(
            self.master.slaves[position],
            plan,
            has_coe=has_coe,
            complete_access=complete_access,
            source=self.plan.source,
        )
        if self._clocks is not None:
            self._clocks.start_sync0(position)
        if has_coe:
            view.give_mapping(position, plan.output_bits, plan.input_bits)

    def _hook(self, position: int) -> None:
        """SOEM's PRE-OP hook. It must not raise: SOEM is on the stack."""
        if self._setup_error:
            return
        try:
            self._set_up(position)
        except BusError as error:
            self._setup_error = error
        except Exception as error:
            name = self.plan.slaves[position].name
            self._setup_error = BusError(f"position {position} ({name}): set-up failed: {error!r}")
            self._setup_error.__cause__ = error

    def _map(self) -> SoemContext:
        problems: list[Exception] = []
        try:
            self.master.config_map()
        except pysoem.ConfigMapError as error:
            problems = error.error_list
        if self._setup_error:
            raise self._setup_error
        for problem in problems:
            number = getattr(problem, "slave_pos", 0)  # SOEM counts from 1; 0 means an emergency message
            if number:
                plan = self.plan.slaves[number - 1]
                raise MailboxFailureError(
                    plan.position, plan.name, slave_setup.problem_of(problem)
                ) from problem
        return process_image.take_over(self.plan, self._configured_view())

    def _configured_view(self) -> SoemView:
        if self._view is None:
            raise BusClosedError("the bus is not configured; call configure() first")
        return self._view


def _state_change_error(wanted: AlState, slave: SlaveState) -> StateChangeError:
    if slave.error:
        advice = hint(slave.al_status_code)
    elif not slave.answers:
        advice = "Check its power and the cable to it."
    else:
        advice = "It reports no error but takes too long: raise the time-out, or check its own diagnosis."
    return StateChangeError(
        position=slave.position,
        slave=slave.name,
        wanted=wanted.text,
        actual=slave.state_text,
        al_status_code=slave.al_status_code,
        text=code_text(slave.al_status_code) if slave.error else "no error reported",
        hint=advice,
    )
