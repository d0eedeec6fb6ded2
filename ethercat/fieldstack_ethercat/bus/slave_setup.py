"""What a slave is given in PRE-OP, at bring-up and after a power loss: mapping, start-up SDOs, watchdog."""

from __future__ import annotations

from typing import Any

import pysoem

from fieldstack_ethercat.bus import pdo_mapping, stop_setup
from fieldstack_ethercat.bus.errors import MappingMismatchError, RegisterWriteError, StartupSdoError
from fieldstack_ethercat.bus.plan import Pdo, SlavePlan, StartupSdo
from fieldstack_ethercat.wire.registers import Register

REGISTER_TIMEOUT_US = 4000
ABORT_NO_OBJECT = 0x06020000
"""A device without outputs has no 0x1C12, one without inputs no 0x1C13."""
QUICK_STOP_OPTION = 0x605A
MAILBOX_ERRORS = (pysoem.SdoError, pysoem.MailboxError, pysoem.PacketError, pysoem.WkcError)


def set_up(
    slave: Any, plan: SlavePlan, *, has_coe: bool, complete_access: bool, source: str = ""
) -> tuple[int, ...]:
    """Configure one slave (pysoem's CdefSlave) in PRE-OP as planned; the stop objects that it lacks.

    MappingMismatchError, StartupSdoError, StopOptionError or RegisterWriteError if it cannot be.
    """
    _write_watchdog(slave, plan)
    if has_coe:
        _map(slave, plan, pdo_mapping.RX_ASSIGN, plan.rx, complete_access)
        _map(slave, plan, pdo_mapping.TX_ASSIGN, plan.tx, complete_access)
    stop_objects = {option.index for option in plan.stop_options} if has_coe else set()
    for sdo in plan.startup_sdos:
        if sdo.index not in stop_objects:
            _write_sdo(slave, plan, sdo)
    return _stop_options(slave, plan, source) if has_coe else ()


def _stop_options(slave: Any, plan: SlavePlan, source: str) -> tuple[int, ...]:
    try:
        return stop_setup.write_stop_options(slave, plan, source)
    except MAILBOX_ERRORS as error:
        raise StartupSdoError(
            position=plan.position,
            slave=plan.name,
            index=QUICK_STOP_OPTION,
            sub=0,
            problem=problem_of(error),
            abort_code=0,
        ) from error


def _write_watchdog(slave: Any, plan: SlavePlan) -> None:
    for register, value in (
        (Register.WATCHDOG_DIVIDER, plan.watchdog.divider),
        (Register.WATCHDOG_TIME_PROCESS_DATA, plan.watchdog.process_data),
    ):
        try:
            slave._fpwr(register, value.to_bytes(2, "little"), REGISTER_TIMEOUT_US)
        except pysoem.WkcError as error:
            raise RegisterWriteError(plan.position, plan.name, register) from error


def _map(slave: Any, plan: SlavePlan, assign: int, pdos: tuple[Pdo, ...], complete_access: bool) -> None:
    """Compare first: a device that is mapped as wanted, by default or from before, is left alone."""
    wanted = pdo_mapping.mapping_of(pdos)
    found: pdo_mapping.Mapping | None = None
    try:
        found = read_mapping(slave, assign, complete_access)
        if found != wanted:
            pdo_mapping.write(slave, assign, wanted)
    except MAILBOX_ERRORS as error:
        raise MappingMismatchError(
            position=plan.position,
            slave=plan.name,
            field=f"PDO mapping of 0x{assign:04X}",
            configured=pdo_mapping.text(wanted),
            found="one that cannot be read" if found is None else pdo_mapping.text(found),
            hint=f"It could not be changed: {problem_of(error)}. Correct `pdos` of this slave "
            "to what the device can map.",
        ) from error


def read_mapping(slave: Any, assign: int, complete_access: bool) -> pdo_mapping.Mapping:
    """A device's mapping in one direction, by the quickest way that it understands; empty if it has none."""
    if complete_access:
        try:
            return pdo_mapping.read(slave, assign, complete_access=True)
        except pysoem.SdoError:
            pass  # some devices announce complete access and refuse it for these objects
    try:
        return pdo_mapping.read(slave, assign, complete_access=False)
    except pysoem.SdoError as error:
        if error.abort_code & 0xFFFFFFFF == ABORT_NO_OBJECT:
            return ()
        raise


def _write_sdo(slave: Any, plan: SlavePlan, sdo: StartupSdo) -> None:
    try:
        slave.sdo_write(sdo.index, sdo.sub, sdo.data, sdo.complete_access)
    except MAILBOX_ERRORS as error:
        raise StartupSdoError(
            position=plan.position,
            slave=plan.name,
            index=sdo.index,
            sub=sdo.sub,
            problem=problem_of(error),
            abort_code=getattr(error, "abort_code", 0) & 0xFFFFFFFF,
        ) from error


def problem_of(error: Exception) -> str:
    """A pysoem mailbox exception in words; its own text is often empty."""
    if isinstance(error, pysoem.WkcError):
        return "the mailbox does not answer"
    return str(getattr(error, "desc", "") or error or type(error).__name__)
