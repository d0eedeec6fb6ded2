"""One slave as scripts reach it: registers by station address or by position, AL status, SII words.

All scripts of the recovery work on it, and RT reads single slaves with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fieldstack_ethercat.bus.errors import SlaveGoneError
from fieldstack_ethercat.bus.script import AT_ONCE, Script, pause_ns
from fieldstack_ethercat.bus.soem.acyclic import Acyclic
from fieldstack_ethercat.bus.soem.soem_structs import Slave
from fieldstack_ethercat.wire.al import AlStatus, unpack_al_status
from fieldstack_ethercat.wire.registers import Register

ATTEMPTS = 5
"""How often a single frame is sent before its slave counts as gone. Some frames get lost: after a lost frame
the cycle drops late answers."""


@dataclass(frozen=True, slots=True)
class SlaveLink:
    """`record` is SOEM's: addresses, sync managers and FMMUs as the bus was brought up with."""

    position: int
    name: str
    record: Slave
    wire: Acyclic

    @property
    def address(self) -> int:
        """Its station address (0x0010)."""
        return int(self.record.configured_address)

    def get(self, register: int, size: int) -> bytes | None:
        """One frame; None if it does not answer."""
        return self.wire.read(self.address, register, size)

    def put(self, register: int, data: bytes) -> bool:
        """One frame; False if it does not answer."""
        return self.wire.write(self.address, register, data)

    def status(self) -> AlStatus | None:
        raw = self.get(Register.AL_STATUS, 6)
        return None if raw is None else unpack_al_status(raw)

    def read(self, register: int, size: int, what: str) -> Script[bytes]:
        """Registers; SlaveGoneError if it does not answer, so often as it is asked."""
        now_ns = yield AT_ONCE
        for _ in range(ATTEMPTS):
            if (found := self.get(register, size)) is not None:
                return found
            now_ns = yield now_ns + pause_ns(0)
        raise SlaveGoneError(self.position, self.name, what)

    def write(self, register: int, data: bytes, what: str) -> Script[None]:
        """Likewise."""
        now_ns = yield AT_ONCE
        for _ in range(ATTEMPTS):
            if self.put(register, data):
                return
            now_ns = yield now_ns + pause_ns(0)
        raise SlaveGoneError(self.position, self.name, what)
