"""An EtherCAT bus as RT and the bench see it: opened, compared with the plan, set up, taken to OP.

The phases are apart because the native cycle starts between them:
`open() -> configure() -> soem_context() -> (the caller starts the cycle) -> request_op()`.
The steps have files of their own: `search.py`, `preop_setup.py`, `slave_states.py`, `recovery_scripts.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.errors import BusClosedError, MailboxSilentError
from fieldstack_ethercat.bus.master import preop_setup, search
from fieldstack_ethercat.bus.master.distributed_clocks import Clocks
from fieldstack_ethercat.bus.master.line import Line
from fieldstack_ethercat.bus.master.preop_setup import PreopSetup
from fieldstack_ethercat.bus.master.recovery_decision import Step
from fieldstack_ethercat.bus.master.recovery_scripts import RecoveryScripts
from fieldstack_ethercat.bus.master.slave_presence import SlavePresence
from fieldstack_ethercat.bus.master.slave_states import STATE_TIMEOUT_NS, SlaveStates
from fieldstack_ethercat.bus.script import Script
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.bus.soem.soem_context import SoemContext
from fieldstack_ethercat.wire.al import AlState, control_word
from fieldstack_ethercat.wire.registers import Register

LINK_TIMEOUT_NS = 3_000_000_000


class Bus:
    """An EtherCAT bus on one interface, set up as its plan says. Stop the cycle before `close`.

    `line`: single slaves and their registers; `states`: AL states; `slave_presence`: who is missing.
    Their calls may come from any thread and beside a running cycle. Once the bus is configured each of them
    is a few frames of 2 ms at most, without the GIL; what takes longer are scripts.
    """

    def __init__(self, plan: BusPlan, interface: str = "") -> None:
        """`interface` overrides the plan's."""
        self.plan = plan
        self.interface = interface or plan.interface
        self.line = Line(plan)
        self.slave_presence = SlavePresence(plan)
        self.states = SlaveStates(self.line, self.slave_presence)
        self.lacking: dict[int, tuple[int, ...]] = {}
        """By position: objects that say how a drive stops, which it does not have."""
        self.on_retry: Callable[[MailboxSilentError], None] | None = None
        """Called for each mailbox that did not answer in time during bring-up, and is asked again."""
        self._context: SoemContext | None = None
        self._clocks: Clocks | None = None
        self._found: search.Found = ()

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
        return self.line.master

    def open(self, link_timeout_ns: int = LINK_TIMEOUT_NS) -> None:
        """Open the interface. InterfaceError if it is missing, forbidden or without link."""
        self.line.open(self.interface, link_timeout_ns)

    def close(self) -> None:
        """Close the interface; harmless if it is closed. The slaves' watchdogs end their state."""
        with self.line.lock:
            self._context = self._clocks = None
            self._found = ()
            self.line.close()

    def find(self) -> search.Found:
        """Enumerate the slaves and take them to PRE-OP. NoSlavesError if nobody answers.

        `configure` does it if nobody has. It is most of a bring-up and does not hold the GIL, so that a
        process may let a thread do it while it imports the rest of itself.
        """
        with self.line.lock:
            self._context = self._clocks = None
            self._found = search.find(self.line, self.interface)
            self.slave_presence.absent.clear()
            return self._found

    def configure(self, timeout_ns: int = STATE_TIMEOUT_NS) -> None:
        """Take the slaves to SAFE-OP as planned: PDO mapping, start-up SDOs, watchdogs, process image.

        TopologyMismatchError before anything is written if other slaves are there than planned,
        SlavesMissingError if some are not there; DistributedClockError, MappingMismatchError or
        StartupSdoError if one cannot be set up as planned; MailboxSilentError, SlaveGoneError or
        StateChangeError if one does not answer or takes too long; SoemLayoutError if pysoem is not as it must
        be. Mailboxes are asked five times, for 12 s together (`soem_objects.py`).
        """
        line, presence = self.line, self.slave_presence
        found = self._found or self.find()
        self._found = ()
        search.keep_places(line, presence, search.require_planned(presence, found, self.find))
        self.states.wait_for(AlState.PREOP, timeout_ns, error_is_final=False)
        # SOEM has requested PRE-OP, and would go on without a slave that takes long for it.
        preop_setup.leave_out_late(line, presence, self.states.read())
        with line.lock:
            if self.plan.distributed_clocks:
                self._clocks = Clocks(line, line.master, line.view, self.plan)
                self._clocks.set_up(presence.absent)
            setup = PreopSetup(line, presence, self._clocks, self.on_retry)
            self._context = setup.map()
            self.lacking.update(setup.lacking)
            self._hold_back()
            self.states.wait_for(AlState.SAFEOP, timeout_ns)

    def _hold_back(self) -> None:
        """Who was left out and answers all the same is not set up: it is not to follow the others to OP."""
        for slave in self.states.read():
            if slave.position in self.slave_presence.absent and slave.answers:
                self.line.link(slave.position).put(
                    Register.AL_CONTROL, control_word(AlState.INIT, acknowledge=True)
                )

    def soem_context(self) -> SoemContext:
        """The addresses for the native cycle. The outputs there are safe until somebody changes them."""
        if self._context is None:
            raise BusClosedError("the bus is not configured; call configure() first")
        return self._context

    def request_op(self, timeout_ns: int = STATE_TIMEOUT_NS) -> None:
        """Take all slaves from SAFE-OP to OP while the caller's cycle runs; StateChangeError if one stays."""
        self.states.request(AlState.OP, timeout_ns)

    def read_states(self) -> tuple[SlaveState, ...]:
        """Every slave's AL state, read now."""
        return self.states.read()

    def exchange(self, timeout_us: int = 0) -> int:
        """One exchange of process data from Python: for commissioning and tests, not for the real-time cycle.

        Returns the working counter; -1 if the frame did not come back in time (default: the plan's time).
        """
        master = self.line.master
        master.send_processdata(release_gil=True)
        return int(master.receive_processdata(timeout_us or self.plan.receive_timeout_us, release_gil=True))

    def script(self, position: int, step: Step, state: AlState | None) -> Script[None] | None:
        """How a step of the recovery is taken; None if there is nobody at the slave's place in the line."""
        scripts = RecoveryScripts(self.line, self.slave_presence, self._clocks, self.lacking)
        return scripts.script(position, step, state)

    @property
    def clock_positions(self) -> tuple[int, ...]:
        """Slaves whose distributed clocks follow the reference clock, itself among them; empty: none do."""
        return self._clocks.positions if self._clocks is not None else ()

    def maintain_clocks(self, states: Sequence[SlaveState]) -> tuple[int, ...]:
        """Choose the reference clock among the slaves that answer, and align the clocks of those that came
        back; returns their positions. `states`: as just read. Call it before such a slave is set up again."""
        if self._clocks is None:
            return ()
        with self.line.lock:
            return self._clocks.maintain([state.position for state in states if state.answers])
