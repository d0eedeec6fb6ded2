"""Finds which slave does not exchange data, and why, although all say that they are in OP.

A slave adds to the working counter through its FMMUs and sync managers. Their content is compared with what
the master wrote. If that is as planned, its inputs are requested alone.
RT uses it to find the cause of a wrong working counter (`counter_cause.py`).
"""

from __future__ import annotations

from fieldstack_ethercat.bus.slave.slave_link import SlaveLink
from fieldstack_ethercat.bus.soem.soem_structs import MAX_FMMUS, MAX_SYNC_MANAGERS, Slave
from fieldstack_ethercat.wire.registers import FMMU_SIZE, SYNC_MANAGER_SIZE, Register

FMMU_BYTES = 13
"""Of an FMMU: what is behind its activation is not used."""
_ACTIVATE, _PDI = 6, 7
INPUT_FMMU = 1
OUTPUTS, INPUTS = 2, 3


def differences(record: Slave, fmmus: bytes, managers: bytes) -> tuple[str, ...]:
    """Registers 0x0600.. and 0x0800.. as read, against what was written at bring-up."""
    found = [text for number in range(MAX_FMMUS) if (text := _fmmu(record, fmmus, number))]
    found += [text for number in range(MAX_SYNC_MANAGERS) if (text := _manager(record, managers, number))]
    return tuple(found)


def _fmmu(record: Slave, raw: bytes, number: int) -> str:
    have = raw[FMMU_SIZE * number :][:FMMU_BYTES]
    want = bytes(record.fmmus[number])[:FMMU_BYTES]
    active, planned = have[-1] & 1, want[-1] & 1
    if planned and not active:
        return f"FMMU{number} is off"
    if active and not planned:
        return f"FMMU{number} is on and was not planned"
    return f"FMMU{number} maps something else than was written" if planned and have != want else ""


def _manager(record: Slave, raw: bytes, number: int) -> str:
    have = raw[SYNC_MANAGER_SIZE * number :][:SYNC_MANAGER_SIZE]
    want = bytes(record.sync_managers[number])
    if not record.sync_managers[number].start:
        return ""
    if want[_ACTIVATE] & 1 and not have[_ACTIVATE] & 1:
        return f"sync manager {number} is off"
    if number in (OUTPUTS, INPUTS) and have[_ACTIVATE] & have[_PDI] & 1:
        return f"sync manager {number} is closed by its application"
    return f"sync manager {number} is set up otherwise than was written" if have[:5] != want[:5] else ""


def faults_of(link: SlaveLink) -> tuple[str, ...] | None:
    """Reads one slave in OP, three frames at most; None if it does not answer."""
    fmmus = link.get(Register.FMMU, MAX_FMMUS * FMMU_SIZE)
    managers = link.get(Register.SYNC_MANAGER, MAX_SYNC_MANAGERS * SYNC_MANAGER_SIZE)
    if fmmus is None or managers is None:
        return None
    if found := differences(link.record, fmmus, managers):
        return found
    return _inputs(link)


def _inputs(link: SlaveLink) -> tuple[str, ...] | None:
    """Its inputs alone (LRD): it must add to that frame's counter."""
    for fmmu in link.record.fmmus:
        if fmmu.active and fmmu.kind == INPUT_FMMU:
            counter = link.wire.logical_read(int(fmmu.logical_start), int(fmmu.length))
            if counter < 0:
                return None
            if not counter:
                return ("its inputs cannot be read, though all is set up as planned",)
    return ()
