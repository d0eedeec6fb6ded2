"""Makes faults inside a slave that take several steps in the native part. `commands.py` orders them."""

from __future__ import annotations

from fieldstack_ethercat.segment.chain import Chain
from fieldstack_ethercat.wire.al import AlState
from fieldstack_ethercat.wire.registers import FMMU_SIZE, Register, sync_manager_register

FMMUS = SYNC_MANAGERS = 8
STATES = (AlState.INIT, AlState.PREOP, AlState.SAFEOP, AlState.OP)
_ACTIVATE, _PDI_CONTROL = 6, 7
"""Bytes of a sync manager (ETG.1000.4, table 59); bit 0 of each: enabled by the master, closed by the PDI."""


def slow_states(chain: Chain, slave: int, state: int, by_ns: int) -> None:
    """`state` 0: every one."""
    for each in STATES if state == 0 else (state,):
        chain.faults.slow_state(slave, each, by_ns)


def lose_registers(chain: Chain, slave: int, what: str, index: int = 0) -> None:
    """`what`: address, fmmus, sync_manager (switched off) or pdi (closed by the application)."""
    manager = sync_manager_register(index)
    if what == "address":
        chain.faults.poke(slave, Register.STATION_ADDRESS, bytes(2))
    elif what == "fmmus":
        chain.faults.poke(slave, Register.FMMU, bytes(FMMUS * FMMU_SIZE))
    elif what == "sync_manager":
        found = chain.peek(slave, manager + _ACTIVATE, 1)[0]
        chain.faults.poke(slave, manager + _ACTIVATE, bytes([found & ~1]))
    else:
        found = chain.peek(slave, manager + _PDI_CONTROL, 1)[0]
        chain.faults.poke(slave, manager + _PDI_CONTROL, bytes([found | 1]))
