"""What a slave is given in PRE-OP, at bring-up and after a power loss: mapping, start-up SDOs, watchdog.

Bring-up runs it with SOEM's transfers, the recovery with those of `coe_client.py`.
"""

from __future__ import annotations

from typing import Protocol

from fieldstack_ethercat.bus.config.slave_plan import Pdo, SlavePlan, StartupSdo
from fieldstack_ethercat.bus.errors import MappingMismatchError, SdoAbortedError, StartupSdoError
from fieldstack_ethercat.bus.script import Script
from fieldstack_ethercat.bus.slave import pdo_mapping, stop_setup
from fieldstack_ethercat.bus.slave.pdo_mapping import SdoAccess
from fieldstack_ethercat.wire.registers import Register


class RegisterAccess(Protocol):
    """What of `SlaveLink` is needed here."""

    def write(self, register: int, data: bytes, what: str) -> Script[None]: ...


def set_up(
    registers: RegisterAccess,
    objects: SdoAccess | None,
    plan: SlavePlan,
    *,
    complete_access: bool,
    source: str = "",
) -> Script[tuple[int, ...]]:
    """Configure one slave in PRE-OP as planned; the stop objects that it lacks. `objects`: None: no CoE.

    MappingMismatchError, StartupSdoError or StopOptionError if it refuses; SlaveGoneError or
    MailboxSilentError if it does not answer. `source`: of the plan.
    """
    for register, value in (
        (Register.WATCHDOG_DIVIDER, plan.watchdog.divider),
        (Register.WATCHDOG_TIME_PROCESS_DATA, plan.watchdog.process_data),
    ):
        yield from registers.write(register, value.to_bytes(2, "little"), "its watchdog was set")
    if objects is None:
        return ()
    yield from _map(objects, plan, pdo_mapping.RX_ASSIGN, plan.rx, complete_access)
    yield from _map(objects, plan, pdo_mapping.TX_ASSIGN, plan.tx, complete_access)
    stop_objects = {option.index for option in plan.stop_options}
    for sdo in plan.startup_sdos:
        if sdo.index not in stop_objects:
            yield from _write_sdo(objects, plan, sdo)
    return (yield from stop_setup.write_stop_options(objects, plan, source))


def _map(
    objects: SdoAccess, plan: SlavePlan, assign: int, pdos: tuple[Pdo, ...], complete_access: bool
) -> Script[None]:
    """Compare first: a device that is mapped as wanted, by default or from before, is left alone."""
    wanted = pdo_mapping.mapping_of(pdos)
    found: pdo_mapping.Mapping | None = None
    try:
        found = yield from pdo_mapping.read(objects, assign, complete_access)
        if found != wanted:
            yield from pdo_mapping.write(objects, assign, wanted)
    except SdoAbortedError as error:
        raise MappingMismatchError(
            position=plan.position,
            slave=plan.name,
            field=f"PDO mapping of 0x{assign:04X}",
            configured=pdo_mapping.text(wanted),
            found="one that cannot be read" if found is None else pdo_mapping.text(found),
            hint=f"It could not be changed: {error.problem}. Correct `pdos` of this slave "
            "to what the device can map.",
        ) from error


def _write_sdo(objects: SdoAccess, plan: SlavePlan, sdo: StartupSdo) -> Script[None]:
    try:
        yield from objects.download(sdo.index, sdo.sub, sdo.data, sdo.complete_access)
    except SdoAbortedError as error:
        raise StartupSdoError(
            position=plan.position,
            slave=plan.name,
            index=sdo.index,
            sub=sdo.sub,
            problem=error.problem,
            abort_code=error.abort_code,
        ) from error
