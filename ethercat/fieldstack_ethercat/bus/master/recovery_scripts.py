"""Takes each step of the recovery on the line, as a script that `Recovery` runs beside the cycle."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fieldstack_ethercat.bus.master.distributed_clocks import Clocks
from fieldstack_ethercat.bus.master.line import Line
from fieldstack_ethercat.bus.master.recovery_decision import Step
from fieldstack_ethercat.bus.master.slave_presence import SlavePresence
from fieldstack_ethercat.bus.script import Script
from fieldstack_ethercat.bus.slave import slave_scripts
from fieldstack_ethercat.bus.slave.slave_address import address_at, give_address
from fieldstack_ethercat.bus.slave.slave_link import SlaveLink
from fieldstack_ethercat.wire.al import AlState


@dataclass(frozen=True, slots=True)
class RecoveryScripts:
    """Of one bus. `lacking` is kept up to date: by position, the stop objects that a drive does not have."""

    line: Line
    presence: SlavePresence
    clocks: Clocks | None
    lacking: dict[int, tuple[int, ...]]

    def script(self, position: int, step: Step, state: AlState | None) -> Script[None] | None:
        """The step's script; None if there is nobody at the slave's place in the line."""
        link = self.line.link(position)
        if position in self.presence.absent:
            return self._admit_late_slave(link)
        if step is Step.RECOVER_ADDRESS:
            return self._recover_address(link)
        if step is Step.ACKNOWLEDGE and state is not None:
            return slave_scripts.acknowledge(link, state)
        if step is Step.REQUEST_OP:
            return slave_scripts.reach_state(link, AlState.OP)
        return self._configure(link)

    def _admit_late_slave(self, link: SlaveLink) -> Script[None]:
        yield from self.presence.admit_late_slave(link, self.line.wire)
        if link.position not in self.presence.absent and self.clocks is not None:
            self.clocks.add_late_clock(link.position)

    def _recover_address(self, link: SlaveLink) -> Script[None] | None:
        planned = {one.address for one in self.line.links()}
        if self.presence.absent:  # the line is shorter than planned
            place = self.presence.place(link.position, self.line.wire)
            link = replace(link, position=link.position if place is None else place)
        return give_address(link, planned) if address_at(link) is not None else None

    def _configure(self, link: SlaveLink) -> Script[None]:
        position = link.position
        return slave_scripts.configure(
            link,
            self.line.plan.slaves[position],
            start_sync0=self.clocks.start_sync0 if self.clocks is not None else None,
            on_emergency=lambda emergency: self.line.keep_emergency(position, emergency),
            on_lacking=lambda lacking: self.lacking.update({position: lacking}),
            source=self.line.plan.source,
        )
