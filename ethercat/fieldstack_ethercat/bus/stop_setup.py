"""Writes what a drive does when it has to stop, and believes it when it was read back."""

from __future__ import annotations

from typing import Any

import pysoem

from fieldstack_ethercat.bus.errors import StopOptionError
from fieldstack_ethercat.bus.plan import SlavePlan, StopOption
from fieldstack_ethercat.drives.stop_options import OPTION_NAMES

ABORT_NO_OBJECT = 0x06020000
ROUNDING = 0.01
"""A drive may keep a ramp in units of its own: so much of it may be lost. Option codes are exact."""
_OPTION_BYTES = 2


def write_stop_options(slave: Any, plan: SlavePlan, source: str) -> tuple[int, ...]:
    """Set up one slave (pysoem's CdefSlave) in PRE-OP; the objects that it lacks. `source`: of the plan.

    StopOptionError: it does not take or keep a value. pysoem's own errors where its mailbox fails.
    """
    return tuple(one.index for one in plan.stop_options if not _write(slave, plan, one, source))


def _write(slave: Any, plan: SlavePlan, option: StopOption, source: str) -> bool:
    """False: there is no such object. What is as wanted is left alone."""
    try:
        if slave.sdo_read(option.index, 0) == option.data:
            return True
        slave.sdo_write(option.index, 0, option.data)
        found = slave.sdo_read(option.index, 0)
    except pysoem.SdoError as error:
        code = error.abort_code & 0xFFFFFFFF
        if code == ABORT_NO_OBJECT:
            return False
        raise _refusal(plan, option, source, f"the drive refuses it (abort code 0x{code:08X})") from error
    if not _agrees(option.data, found):
        shown = int.from_bytes(found, "little", signed=len(found) == _OPTION_BYTES)
        raise _refusal(plan, option, source, f"the drive took it, but reads back {shown}")
    return True


def _agrees(wanted: bytes, found: bytes) -> bool:
    if len(wanted) == _OPTION_BYTES or len(found) != len(wanted):
        return found == wanted
    value = int.from_bytes(wanted, "little")
    return abs(int.from_bytes(found, "little") - value) <= ROUNDING * value


def _refusal(plan: SlavePlan, option: StopOption, source: str, problem: str) -> StopOptionError:
    value = int.from_bytes(option.data, "little", signed=len(option.data) == _OPTION_BYTES)
    return StopOptionError(
        file=source,
        key=option.key,
        value=option.value,
        slave=plan.name,
        position=plan.position,
        index=option.index,
        text=f"{OPTION_NAMES[option.index]} = {value}: {problem}",
    )
