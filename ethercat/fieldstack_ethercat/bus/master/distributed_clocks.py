"""Sets up the distributed clocks of a bus through SOEM, and keeps them right while slaves come and go.

The first clock on the cable is the reference. SOEM's set-up gives each clock its offset and its delay; from
then on SOEM adds a read-multiple-write (FRMW) of the reference's system time to each exchange, which the
clocks behind it follow. That datagram does not count in the working counter.
Bring-up sets them up; the recovery calls it when a slave has come back.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.errors import DistributedClockError
from fieldstack_ethercat.bus.soem.soem_structs import Slave
from fieldstack_ethercat.bus.soem.soem_view import SoemView
from fieldstack_ethercat.wire.registers import Register

MEASUREMENTS = 3
HALF_RANGE = 1 << 31
ALL_64_BITS = (1 << 64) - 1
LOOP = struct.Struct("<IHh")
"""0x092C to 0x0933: difference, speed counter start and difference. Writing the start resets the others."""


class Registers(Protocol):
    """What of `Line` is needed here."""

    def read_register(self, position: int, address: int, size: int) -> bytes | None: ...
    def write_register(self, position: int, address: int, data: bytes) -> bool: ...


class Clocks:
    """The clocks of one bus. Not thread-safe: the bus's lock is around every call."""

    def __init__(self, registers: Registers, master: Any, view: SoemView, plan: BusPlan) -> None:
        self._registers, self._master, self._view, self._plan = registers, master, view, plan
        self._stale: set[int] = set()
        """Slaves that were away: what their clocks show now is not known."""
        self._leads_freely = False
        """Whether the reference's own control loop was seen at rest since it leads."""
        self.positions: tuple[int, ...] = ()
        """Slaves that have a clock, in the order of the cable."""

    @property
    def reference(self) -> int:
        """Position of the slave whose time the others follow."""
        return int(self._view.group().dc_next) - 1

    def set_up(self, missing: Collection[int] = ()) -> None:
        """Align all clocks (SOEM's `ecx_configdc`); a few frames a slave. `missing`: they may come later.

        DistributedClockError if there is none, or a slave without one is to give SYNC0 pulses.
        """
        found = [slave.position for slave in self._plan.slaves if self._record(slave.position).has_dc]
        for slave in self._plan.slaves:
            if slave.sync0 is not None and slave.position not in (*found, *missing):
                raise DistributedClockError(
                    f"position {slave.position} ({slave.name}): it is to give SYNC0 pulses and has "
                    "no distributed clock (register 0x0008, bit 2). Drop `sync0` of this slave."
                )
        if not found:
            raise DistributedClockError(
                "`distributed_clocks` are enabled, and no slave on this bus has one (register 0x0008, "
                "bit 2). Set `distributed_clocks: {enabled: false}`, or check that the right slaves are "
                "connected."
            )
        for _ in range(MEASUREMENTS):
            self._master.config_dc()
            if not any(wrapped(self._record(position)) for position in found):
                break
        self.positions = tuple(found)

    def add_late_clock(self, position: int) -> None:
        """A slave that was missing at the set-up has come: its clock is aligned like one that was away.

        What its cable delays nobody has measured: it gets what the clock before it has, a microsecond too
        little or so, until the next bring-up.
        """
        record = self._record(position)
        if not record.has_dc or position in self.positions:
            return
        before = max((one for one in self.positions if one < position), default=position)
        record.propagation_delay = self._record(before).propagation_delay
        self.positions = tuple(sorted((*self.positions, position)))
        self._stale.add(position)

    def start_sync0(self, position: int) -> None:
        """SYNC0 pulses as planned, from 100 ms from now; none if none are planned."""
        sync0 = self._plan.slaves[position].sync0
        if sync0 is not None:
            self._master.slaves[position].dc_sync(True, sync0.cycle_ns, sync0.shift_ns)

    def maintain(self, answering: Collection[int]) -> tuple[int, ...]:
        """Let the first clock that can be trusted lead, and align those that came back with it.

        Without this the clocks behind a reference that is gone would follow a time that stands still.
        `answering`: positions of the slaves that answer now. Returns the positions that were aligned.
        """
        if self._leads_freely and not self._stale and len(answering) == len(self._plan.slaves):
            return ()
        self._stale.update(position for position in self.positions if position not in answering)
        if self.reference in self._stale:  # without its address it has followed whatever the frames held
            self._leads_freely = False
        here = [position for position in self.positions if position in answering]
        trusted = [position for position in here if position not in self._stale]
        if not here:
            return ()
        if not trusted:  # nobody kept the time: the first begins a new one
            trusted = here[:1]
            self._stale.discard(here[0])
        self._lead(trusted[0])
        aligned = self._align_all([p for p in here if p in self._stale], trusted[0])
        self._stale.difference_update(aligned)
        self._lead(next(position for position in here if position not in self._stale))
        self._leads_freely = self._leads_freely or self._release(self.reference)
        return aligned

    def _align_all(self, positions: Sequence[int], leader: int) -> tuple[int, ...]:
        """Until a frame gets lost: what is left comes with the next call, and nobody waits for it."""
        aligned = []
        for position in positions:
            if not self._align(position, leader):
                break
            aligned.append(position)
        return tuple(aligned)

    def _lead(self, position: int) -> None:
        """The cycle thread reads this word for each frame; writing it is one store."""
        if position != self.reference:
            self._view.group().dc_next = position + 1
            self._leads_freely = False

    def _release(self, position: int) -> bool:
        """Put the leader's control loop to rest; whether it was found so.

        A clock that followed keeps its last correction when it leads. What it followed may have been a time
        that stood still or, in front of another leader, the time of one cycle before: then that correction is
        at its limit, and the clocks behind cannot keep up. Frames of before may still be on their way, so it
        is looked at again.
        """
        loop = self._registers.read_register(position, Register.DC_SYSTEM_TIME_DIFFERENCE, LOOP.size)
        if loop is None:
            return False
        difference, speed, correction = LOOP.unpack(loop)
        if difference == 0 and correction == 0:
            return True
        self._registers.write_register(position, Register.DC_SPEED_COUNTER_START, speed.to_bytes(2, "little"))
        return False

    def _align(self, position: int, leader: int) -> bool:
        """Sets offset and delay from one frame that both clocks saw; then the control loop begins again."""
        if not self._view.latch_receive_times():
            return False
        own = self._number(position, Register.DC_UNIT_RECEIVE_TIME, 8)
        other = self._number(leader, Register.DC_UNIT_RECEIVE_TIME, 8)
        offset = self._number(leader, Register.DC_SYSTEM_TIME_OFFSET, 8)
        speed = self._number(position, Register.DC_SPEED_COUNTER_START, 2)
        if own is None or other is None or offset is None or speed is None:
            return False
        delay = self._record(position).propagation_delay
        between = delay - self._record(leader).propagation_delay
        aligned = (offset + other + between - own) & ALL_64_BITS
        return all(
            self._registers.write_register(position, register, value.to_bytes(size, "little"))
            for register, value, size in (
                (Register.DC_SYSTEM_TIME_OFFSET, aligned, 8),
                (Register.DC_SYSTEM_TIME_DELAY, max(0, delay), 4),
                (Register.DC_SPEED_COUNTER_START, speed, 2),
            )
        )

    def _number(self, position: int, register: int, size: int) -> int | None:
        raw = self._registers.read_register(position, register, size)
        return None if raw is None else int.from_bytes(raw, "little")

    def _record(self, position: int) -> Slave:
        return self._view.slave(position)


def wrapped(record: Slave) -> bool:
    """Whether the 32-bit receive times of one frame at a slave's ports lie on both sides of a sign change.

    SOEM compares them as signed numbers: once in 4.3 s, for some microseconds, it would take the port on the
    way back for the one that the frame came in by, and measure wrong delays.
    """
    times = [record.dc_receive_times[port] for port in range(4) if record.active_ports >> port & 1]
    return bool(times) and max(times) - min(times) >= HALF_RANGE
