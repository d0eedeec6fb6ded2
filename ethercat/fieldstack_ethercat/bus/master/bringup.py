"""Brings a bus up: open, compare with the plan, configure in PRE-OP, map, SAFE-OP, OP.

The phases are apart because the native cycle starts between them:
`open() -> configure() -> soem_context() -> (the caller starts the cycle) -> request_op()`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

import pysoem

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.errors import (
    BusClosedError,
    BusError,
    InterfaceError,
    MailboxFailureError,
    MailboxSilentError,
    NoSlavesError,
    SlaveGoneError,
    SlavesMissingError,
)
from fieldstack_ethercat.bus.master import interface as network
from fieldstack_ethercat.bus.master import missing_slaves, process_image, topology
from fieldstack_ethercat.bus.master.distributed_clocks import Clocks
from fieldstack_ethercat.bus.master.recovery import Step
from fieldstack_ethercat.bus.master.slave_presence import SlavePresence
from fieldstack_ethercat.bus.script import Script, run_to_end
from fieldstack_ethercat.bus.slave import slave_scripts, slave_setup
from fieldstack_ethercat.bus.slave.slave_address import address_at, give_address
from fieldstack_ethercat.bus.slave.slave_link import SlaveLink
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.bus.soem.acyclic import Acyclic
from fieldstack_ethercat.bus.soem.soem_context import SoemContext, SoemView
from fieldstack_ethercat.bus.soem.soem_objects import RetryBudget, SoemObjects, problem_of
from fieldstack_ethercat.bus.soem.soem_structs import COE_COMPLETE_ACCESS, MAILBOX_COE
from fieldstack_ethercat.wire.al import AlState, control_word
from fieldstack_ethercat.wire.coe import Emergency
from fieldstack_ethercat.wire.registers import Register

SECOND_LOOKS = 2
"""So often a wire that differs from the plan is looked at again before that is said."""
MISSING_WAIT_NS = 3_000_000_000
"""So long slaves that do not answer yet are looked for, if all that do are the right ones."""
LINK_TIMEOUT_NS = 3_000_000_000
STATE_TIMEOUT_NS = 10_000_000_000
"""ETG.2000's default for the slowest change of state."""
GONE_TIMEOUT_NS = 2_000_000_000
"""So long a slave that does not answer at all is waited for."""
STATE_POLL_NS = 500_000
SLAVE_COUNT_EXCEEDED = -4
"""SOEM's answer to more slaves than it has places for."""
KEPT_EMERGENCIES = 64
NONESSENTIAL_WAIT_NS = 500_000_000
"""A state change of a slave that the others can do without is waited for so long at bring-up."""
MISSING_TIMEOUT_US = 2000
"""SOEM waits so long for the state of each slave, where some are missing: the others are known to have it."""


class Bus:
    """An EtherCAT bus on one interface, set up as its plan says.

    Acyclic calls may come from any thread and beside a running cycle. Once it is configured each of them is a
    few frames of 2 ms at most, without the GIL; what takes longer are scripts. Stop the cycle before `close`.
    """

    def __init__(self, plan: BusPlan, interface: str = "") -> None:
        """`interface` overrides the plan's."""
        self.plan = plan
        self.interface = interface or plan.interface
        self.emergencies: deque[Any] = deque(maxlen=KEPT_EMERGENCIES)
        """The last emergency messages of the slaves (pysoem.Emergency), oldest first."""
        self.lacking: dict[int, tuple[int, ...]] = {}
        """By position: objects that say how a drive stops, which it does not have."""
        self.on_retry: Callable[[MailboxSilentError], None] | None = None
        """Told of each mailbox that did not answer in time during bring-up, and is asked again."""
        self.slave_presence = SlavePresence(plan)
        self._retry_budget = RetryBudget()
        self._links: tuple[SlaveLink, ...] = ()
        self._wire: Acyclic | None = None
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
            self._view = self._context = self._clocks = self._wire = None
            self._found, self._links = (), ()
            if master is not None:
                master.close()

    def find(self) -> tuple[topology.FoundSlave, ...]:
        """Enumerate the slaves and take them to PRE-OP. NoSlavesError if nobody answers.

        `configure` does it if nobody has. It is most of a bring-up and does not hold the GIL, so that a
        process may let a thread do it while it imports the rest of itself.
        """
        with self._lock:
            self._view = self._context = self._clocks = self._wire = None
            self._links = ()
            count = self.master.config_init(release_gil=True)
            if not self.master.slaves:
                if count == SLAVE_COUNT_EXCEEDED:
                    raise BusError("more slaves on the wire than SOEM can hold (199): split the bus")
                raise NoSlavesError(self.interface, len(self.plan.slaves))
            self._view = SoemView(self.master)
            for slave in self.master.slaves:
                slave.add_emergency_callback(self.emergencies.append)
            self.slave_presence.absent.clear()
            self._found = tuple(
                topology.FoundSlave(position, slave.man, slave.id, slave.rev, slave.name)
                for position, slave in enumerate(self.master.slaves)
            )
            return self._found

    def configure(self, timeout_ns: int = STATE_TIMEOUT_NS) -> None:
        """Take the slaves to SAFE-OP as planned: PDO mapping, start-up SDOs, watchdogs, process image.

        TopologyMismatchError before anything is written if other slaves are there than planned,
        SlavesMissingError if some are not there; DistributedClockError, MappingMismatchError or
        StartupSdoError if one cannot be set up as planned; MailboxSilentError, SlaveGoneError or
        StateChangeError if one does not answer or takes too long; SoemLayoutError if pysoem is not as it must
        be. Mailboxes are asked five times, for 12 s together (`soem_objects.py`).
        """
        found = self._found or self.find()
        self._found = ()
        self._note_absent(self._require_planned(found))
        self._require_preop(timeout_ns)
        with self._lock:
            self._setup_error, self._retry_budget = None, RetryBudget(self.on_retry)
            for position, slave in enumerate(self.master.slaves):
                if position not in self.slave_presence.absent:
                    slave.config_func = self._hook
            if self.plan.distributed_clocks:
                self._clocks = Clocks(self, self.master, self._configured_view(), self.plan)
                self._clocks.set_up(self.slave_presence.absent)
            self._context = self._map()
            self._hold_back()
            self.wait_for_state(AlState.SAFEOP, timeout_ns)

    def _require_planned(self, found: tuple[topology.FoundSlave, ...]) -> tuple[int, ...]:
        """The planned position of each slave found.

        A frame that gets lost while SOEM reads an EEPROM reads as zeros: look again at what differs. Slaves
        that are missing and essential may still be starting up: they are looked for a while longer.
        """
        began_ns, looks = time.monotonic_ns(), 0
        while True:
            if looks >= SECOND_LOOKS or not topology.compare(self.plan.slaves, found):
                try:
                    return self.slave_presence.places_of(found)
                except SlavesMissingError:
                    if time.monotonic_ns() - began_ns >= MISSING_WAIT_NS:
                        raise
            looks += 1
            found = self.find()

    def _note_absent(self, places: Sequence[int]) -> None:
        """The bus comes up without slaves that it can do without; their places are kept for them."""
        self.slave_presence.absent = set(range(len(self.plan.slaves))) - set(places)
        if not self.slave_presence.absent:
            return
        with self._lock:
            missing_slaves.insert_missing(self._configured_view(), self.plan, places)
            slaves = [self.master._get_slave(at) for at in range(len(self.plan.slaves))]
            self.master.slaves = slaves
            for slave in slaves:
                slave.add_emergency_callback(self.emergencies.append)
            self._view, self._wire, self._links = SoemView(self.master), None, ()

    def _require_preop(self, timeout_ns: int) -> None:
        """SOEM has requested PRE-OP, and would go on without a slave that takes long for it."""
        self.wait_for_state(AlState.PREOP, timeout_ns, error_is_final=False)
        for slave in self.read_states():
            if slave.position in self.slave_presence.nonessential and (
                slave.state is not AlState.PREOP or slave.error
            ):
                self._leave_out(slave.position)

    def _leave_out(self, position: int) -> None:
        """The bus comes up without it, as if it were missing; its place in the image is kept."""
        plan = self.plan.slaves[position]
        self._configured_view().give_mapping(position, plan.output_bits, plan.input_bits)
        self.slave_presence.absent.add(position)

    def _hold_back(self) -> None:
        """Who was left out and answers all the same is not set up: it is not to follow the others to OP."""
        for slave in self.read_states():
            if slave.position in self.slave_presence.absent and slave.answers:
                self.link(slave.position).put(
                    Register.AL_CONTROL, control_word(AlState.INIT, acknowledge=True)
                )

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

    def wait_for_state(
        self, state: AlState, timeout_ns: int = STATE_TIMEOUT_NS, *, error_is_final: bool = True
    ) -> None:
        """Wait until every slave is in `state`; StateChangeError if one refuses, or at the deadline.

        Slaves of non-essential groups are given NONESSENTIAL_WAIT_NS, and then left to the recovery."""
        began_ns = time.monotonic_ns()
        while True:
            states = self.read_states()
            waited_ns = time.monotonic_ns() - began_ns
            late = [slave for slave in states if slave.state is not state or slave.error]
            late = self.slave_presence.awaited(late, waited_ns >= NONESSENTIAL_WAIT_NS)
            if not late:
                return
            refused = next((slave for slave in late if slave.error and error_is_final), None)
            gone = next((slave for slave in late if not slave.answers), None)
            patience_ns = min(timeout_ns, GONE_TIMEOUT_NS) if gone else timeout_ns
            if refused or waited_ns >= patience_ns:
                raise slave_scripts.state_change_error(state, refused or gone or late[0])
            time.sleep(STATE_POLL_NS / 1e9)

    def read_states(self) -> tuple[SlaveState, ...]:
        """Every slave's AL state, read now at its own station address: one frame for 64 slaves.

        A slave that does not answer to its address does not answer, whatever stands at its place in the line.
        A frame that does not come back is sent once more; then nobody answers.
        """
        with self._lock:
            links = self._slave_links()
            addresses = [link.address for link in links]
            wire = self._acyclic()
            found = wire.states(addresses) or wire.states(addresses) or [(0, 0)] * len(links)
        states = tuple(
            SlaveState(link.position, link.name, status, code)
            for link, (status, code) in zip(links, found, strict=True)
        )
        self.slave_presence.note(states)
        return states

    def exchange(self, timeout_us: int = 0) -> int:
        """One exchange of process data from Python: for commissioning and tests, not for the real-time cycle.

        Returns the working counter; -1 if the frame did not come back in time (default: the plan's time).
        """
        master = self.master
        master.send_processdata(release_gil=True)
        return int(master.receive_processdata(timeout_us or self.plan.receive_timeout_us, release_gil=True))

    def request_slave(self, position: int, control: int) -> None:
        """Write AL control of one slave; does not wait. SlaveGoneError if it does not answer."""
        link = self.link(position)
        with self._lock:
            if not link.put(Register.AL_CONTROL, control.to_bytes(2, "little")):
                raise SlaveGoneError(position, link.name, "a state was requested")

    def script(self, position: int, step: Step, state: AlState | None) -> Script[None] | None:
        """How a step of the recovery is taken; None if there is nobody at the slave's place in the line."""
        link = self.link(position)
        if position in self.slave_presence.absent:
            return self._admit_late_slave(link)
        if step is Step.RECOVER_ADDRESS:
            planned = {one.address for one in self._slave_links()}
            if self.slave_presence.absent:  # the line is shorter than planned
                place = self.slave_presence.place(position, self._acyclic())
                link = replace(link, position=position if place is None else place)
            return give_address(link, planned) if address_at(link) is not None else None
        if step is Step.ACKNOWLEDGE and state is not None:
            return slave_scripts.acknowledge(link, state)
        if step is Step.REQUEST_OP:
            return slave_scripts.reach_state(link, AlState.OP)
        return slave_scripts.configure(
            link,
            self.plan.slaves[position],
            start_sync0=self._clocks.start_sync0 if self._clocks is not None else None,
            on_emergency=lambda emergency: self._keep_emergency(position, emergency),
            on_lacking=lambda lacking: self.lacking.update({position: lacking}),
            source=self.plan.source,
        )

    def _admit_late_slave(self, link: SlaveLink) -> Script[None]:
        yield from self.slave_presence.admit_late_slave(link, self._acyclic())
        if link.position not in self.slave_presence.absent and self._clocks is not None:
            self._clocks.add_late_clock(link.position)

    def link(self, position: int) -> SlaveLink:
        """The slave at that position, for scripts."""
        return self._slave_links()[position]

    def count(self) -> int:
        """How many slaves answer, whatever their address; -1 if the frame that asks does not come back."""
        with self._lock:
            return self._acyclic().count()

    @property
    def clock_positions(self) -> tuple[int, ...]:
        """Slaves whose distributed clocks follow the reference clock, itself among them; empty: none do."""
        return self._clocks.positions if self._clocks is not None else ()

    def maintain_clocks(self, states: Sequence[SlaveState]) -> tuple[int, ...]:
        """Choose the reference clock among the slaves that answer, and align the clocks of those that came
        back; their positions. `states`: as just read. To be called before such a slave is set up anew."""
        if self._clocks is None:
            return ()
        with self._lock:
            return self._clocks.maintain([state.position for state in states if state.answers])

    def read_register(self, position: int, address: int, size: int) -> bytes | None:
        """Registers of one slave by its station address; None if it does not answer."""
        with self._lock:
            return self.link(position).get(address, size)

    def write_register(self, position: int, address: int, data: bytes) -> bool:
        """Likewise; False if it does not answer."""
        with self._lock:
            return self.link(position).put(address, data)

    def _acyclic(self) -> Acyclic:
        if self._wire is None:
            self._wire = Acyclic(self._configured_view())
        return self._wire

    def _slave_links(self) -> tuple[SlaveLink, ...]:
        slaves = self._slaves()
        if len(self._links) != len(slaves):
            view, wire = self._configured_view(), self._acyclic()
            self._links = tuple(
                SlaveLink(plan.position, plan.name, view.slave(plan.position), wire)
                for plan in self.plan.slaves
            )
        return self._links

    def _keep_emergency(self, position: int, emergency: Emergency) -> None:
        """As pysoem tells it: SOEM's position counts from 1."""
        b1, *rest = emergency.data
        words = (rest[0] | rest[1] << 8, rest[2] | rest[3] << 8)
        code, register = emergency.error_code, emergency.error_register
        self.emergencies.append(pysoem.Emergency(position + 1, code, register, b1, *words))

    def _slaves(self) -> list[Any]:
        slaves: list[Any] = self.master.slaves or []
        if len(slaves) != len(self.plan.slaves):
            raise BusClosedError("the bus is not configured; call configure() first")
        return slaves

    def _set_up(self, position: int) -> None:
        view, plan, link = self._configured_view(), self.plan.slaves[position], self.link(position)
        record = view.slave(position)
        has_coe = bool(record.mailbox_protocols & MAILBOX_COE)
        complete_access = bool(record.coe_details & COE_COMPLETE_ACCESS)
        objects = SoemObjects(self.master.slaves[position], position, plan.name, self._retry_budget)
        self.lacking[position] = run_to_end(
            slave_setup.set_up(
                link,
                objects if has_coe else None,
                plan,
                complete_access=complete_access,
                source=self.plan.source,
            )
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
            if position in self.slave_presence.nonessential and not getattr(error, "refusal", False):
                self._leave_out(position)
            else:
                self._setup_error = error
        except Exception as error:
            name = self.plan.slaves[position].name
            self._setup_error = BusError(f"position {position} ({name}): set-up failed: {error!r}")
            self._setup_error.__cause__ = error

    def _map(self) -> SoemContext:
        problems: list[Exception] = []
        timeouts, patience_us = pysoem.settings.timeouts, pysoem.settings.timeouts.state
        if self.slave_presence.absent:
            timeouts.state = MISSING_TIMEOUT_US  # all who are there are in PRE-OP already
        try:
            self.master.config_map()
        except pysoem.ConfigMapError as error:
            problems = error.error_list
        finally:
            timeouts.state = patience_us
        if self._setup_error:
            raise self._setup_error
        for problem in problems:
            number = getattr(problem, "slave_pos", 0)  # SOEM counts from 1; 0 means an emergency message
            if number:
                plan = self.plan.slaves[number - 1]
                raise MailboxFailureError(plan.position, plan.name, problem_of(problem)) from problem
        return process_image.check_and_make_safe(self.plan, self._configured_view())

    def _configured_view(self) -> SoemView:
        if self._view is None:
            raise BusClosedError("the bus is not configured; call configure() first")
        return self._view
