"""Reads, requests and awaits the AL states of all slaves (ETG.1000.6, 6.4).

`Bus` takes the slaves from state to state with it; the recovery and RT's housekeeping read them.
"""

from __future__ import annotations

import time

from fieldstack_ethercat.bus.errors import SlaveGoneError
from fieldstack_ethercat.bus.master.line import Line
from fieldstack_ethercat.bus.master.slave_presence import SlavePresence
from fieldstack_ethercat.bus.slave import slave_scripts
from fieldstack_ethercat.bus.slave.states import SlaveState
from fieldstack_ethercat.wire.al import AlState
from fieldstack_ethercat.wire.registers import Register

STATE_TIMEOUT_NS = 10_000_000_000
"""ETG.2000's default for the slowest change of state."""
GONE_TIMEOUT_NS = 2_000_000_000
"""So long a slave that does not answer at all is waited for."""
NONESSENTIAL_WAIT_NS = 500_000_000
"""At bring-up, a state change of a slave that the others do not need is waited for this long."""
STATE_POLL_NS = 500_000


class SlaveStates:
    """Of one bus; `presence` hears of each reading."""

    def __init__(self, line: Line, presence: SlavePresence) -> None:
        self._line, self._presence = line, presence

    def read(self) -> tuple[SlaveState, ...]:
        """Every slave's AL state, read now at its own station address: one frame for 64 slaves.

        A slave that does not answer to its address does not answer, whatever stands at its place in the line.
        A frame that does not come back is sent once more; then nobody answers.
        """
        with self._line.lock:
            links, wire = self._line.links(), self._line.wire
            addresses = [link.address for link in links]
            found = wire.states(addresses) or wire.states(addresses) or [(0, 0)] * len(links)
        states = tuple(
            SlaveState(link.position, link.name, status, code)
            for link, (status, code) in zip(links, found, strict=True)
        )
        self._presence.note(states)
        return states

    def request(self, state: AlState, timeout_ns: int = STATE_TIMEOUT_NS) -> None:
        """Request an AL state of all slaves at once and wait for it."""
        with self._line.lock:
            self._line.master.state = int(state)
            self._line.master.write_state()
        self.wait_for(state, timeout_ns)

    def request_of(self, position: int, control: int) -> None:
        """Write AL control of one slave; does not wait. SlaveGoneError if it does not answer."""
        if not self._line.write_register(position, Register.AL_CONTROL, control.to_bytes(2, "little")):
            raise SlaveGoneError(position, self._line.link(position).name, "a state was requested")

    def wait_for(
        self, state: AlState, timeout_ns: int = STATE_TIMEOUT_NS, *, error_is_final: bool = True
    ) -> None:
        """Wait until every slave is in `state`; StateChangeError if one refuses, or at the deadline.

        Slaves of non-essential groups are given NONESSENTIAL_WAIT_NS, and then left to the recovery."""
        began_ns = time.monotonic_ns()
        while True:
            states = self.read()
            waited_ns = time.monotonic_ns() - began_ns
            late = [slave for slave in states if slave.state is not state or slave.error]
            late = self._presence.awaited(late, waited_ns >= NONESSENTIAL_WAIT_NS)
            if not late:
                return
            refused = next((slave for slave in late if slave.error and error_is_final), None)
            gone = next((slave for slave in late if not slave.answers), None)
            patience_ns = min(timeout_ns, GONE_TIMEOUT_NS) if gone else timeout_ns
            if refused or waited_ns >= patience_ns:
                raise slave_scripts.state_change_error(state, refused or gone or late[0])
            time.sleep(STATE_POLL_NS / 1e9)
