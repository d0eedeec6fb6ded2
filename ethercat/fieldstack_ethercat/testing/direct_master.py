"""Hands a master's frames to a chain directly: no socket, no thread, and the test holds the clock.

Tests of the virtual slaves use it.
"""

from __future__ import annotations

import time

from fieldstack_ethercat.segment.chain import Chain
from fieldstack_ethercat.wire.al import AlState, AlStatus, control_word, unpack_al_status
from fieldstack_ethercat.wire.datagram import Command, Datagram, physical_address
from fieldstack_ethercat.wire.fmmu import TYPE_READ, TYPE_WRITE, Fmmu
from fieldstack_ethercat.wire.frame import frame_of, unpack_frame
from fieldstack_ethercat.wire.registers import Register, fmmu_register, sync_manager_register
from fieldstack_ethercat.wire.sii import SiiImage, unpack_sii
from fieldstack_ethercat.wire.sync_manager import SyncManager

FIRST_STATION = 0x1001
INPUT_BASE = 0x800
"""Logical address of the first slave's inputs; outputs begin at 0."""


class DirectMaster:
    """Sends datagrams into `chain` at `now_ns`, a CLOCK_MONOTONIC time that only `advance` moves on."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.now_ns = time.monotonic_ns()

    def advance(self, milliseconds: float, step_us: int = 250) -> None:
        """Lets time pass in the chain, in steps of its time base."""
        end_ns = self.now_ns + round(milliseconds * 1e6)
        while self.now_ns < end_ns:
            self.now_ns = min(self.now_ns + step_us * 1000, end_ns)
            self.chain.advance(self.now_ns)

    def exchange(self, *datagrams: Datagram) -> tuple[Datagram, ...] | None:
        """The datagrams of the frame that comes back; None if none does."""
        answer = self.chain.frame(frame_of(*datagrams).pack(), self.now_ns)
        return None if answer is None else unpack_frame(answer).datagrams

    def physical(self, command: Command, position: int, offset: int, data: bytes) -> Datagram:
        """One datagram of an AP, FP or B command, as it comes back."""
        return self._one(Datagram(command, 0, physical_address(position, offset), data))

    def logical(self, command: Command, address: int, data: bytes) -> Datagram:
        """One datagram of an L command, as it comes back."""
        return self._one(Datagram(command, 0, address, data))

    def _one(self, datagram: Datagram) -> Datagram:
        answer = self.exchange(datagram)
        assert answer is not None, "no frame came back"  # noqa: S101 - this is test support
        return answer[0]

    def read(self, slave: int, offset: int, size: int) -> bytes:
        """Registers of the slave at a position, from 0, by auto-increment address."""
        return self.physical(Command.APRD, -slave, offset, bytes(size)).data

    def write(self, slave: int, offset: int, data: bytes) -> int:
        """Writes by auto-increment address; the working counter."""
        return self.physical(Command.APWR, -slave, offset, data).working_counter

    # --- states ---

    def al_status(self, slave: int) -> AlStatus:
        return unpack_al_status(self.read(slave, Register.AL_STATUS, 6))

    def request(self, slave: int, state: int, acknowledge: bool = False) -> AlStatus:
        """Asks for a state, and returns the status after that."""
        word = control_word(AlState(state), acknowledge) if state in list(AlState) else bytes([state, 0])
        self.write(slave, Register.AL_CONTROL, word)
        return self.al_status(slave)

    def sii(self, slave: int) -> SiiImage:
        """The slave's EEPROM, read word by word through its registers."""
        image = b"".join(self.eeprom_words(slave, word) for word in range(0, 1024, 4))
        return unpack_sii(image)

    def eeprom_words(self, slave: int, word: int) -> bytes:
        """Four words at a word address."""
        command = b"\x00\x01" + word.to_bytes(4, "little")
        self.write(slave, Register.EEPROM_CONTROL, command)
        return self.read(slave, Register.EEPROM_DATA, 8)

    def bring_up(self, slave: int, state: AlState = AlState.OP, image: SiiImage | None = None) -> AlStatus:
        """Configures one slave as its EEPROM says and brings it to `state`.

        Outputs are mapped from logical address 0, inputs from `INPUT_BASE`, 64 bytes a slave.
        """
        sii = image or self.sii(slave)
        self.write(slave, Register.STATION_ADDRESS, (FIRST_STATION + slave).to_bytes(2, "little"))
        self._configure_mailbox(slave, sii)
        status = self.request(slave, AlState.PREOP)
        if state >= AlState.SAFEOP:
            self.configure_process_data(slave, sii)
            status = self.request(slave, AlState.SAFEOP)
        if state is AlState.OP:
            self.request(slave, AlState.OP)
            self.outputs(slave, bytes(sii.sync_managers[2].length))
            status = self.al_status(slave)
        return status

    def _configure_mailbox(self, slave: int, sii: SiiImage) -> None:
        for index, entry in enumerate(sii.sync_managers[:2]):
            manager = SyncManager(entry.start, entry.length, entry.control)
            self.write(slave, sync_manager_register(index), manager.pack())

    def configure_process_data(self, slave: int, sii: SiiImage) -> None:
        """Sync managers 2 and 3, and an FMMU for each."""
        for index, (kind, base) in enumerate(((TYPE_WRITE, 0), (TYPE_READ, INPUT_BASE))):
            entry = sii.sync_managers[2 + index]
            manager = SyncManager(entry.start, entry.length, entry.control)
            self.write(slave, sync_manager_register(2 + index), manager.pack())
            unit = Fmmu(base + 64 * slave, entry.length, entry.start, kind)
            self.write(slave, fmmu_register(index), unit.pack())

    def outputs(self, slave: int, data: bytes) -> int:
        """Writes one slave's outputs by LWR; the working counter."""
        return self.logical(Command.LWR, 64 * slave, data).working_counter

    def inputs(self, slave: int, size: int) -> bytes:
        """One slave's inputs by LRD."""
        return self.logical(Command.LRD, INPUT_BASE + 64 * slave, bytes(size)).data
