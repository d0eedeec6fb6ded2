"""Writes what a drive does when it has to stop, and reads it back. `slave_setup.py` runs it for drives."""

from __future__ import annotations

from fieldstack_ethercat.bus.config.slave_plan import SlavePlan, StopOption
from fieldstack_ethercat.bus.errors import SdoAbortedError, StopOptionError
from fieldstack_ethercat.bus.script import Script
from fieldstack_ethercat.bus.slave.pdo_mapping import ABORT_NO_OBJECT, SdoAccess
from fieldstack_ethercat.drives.stop_options import OPTION_NAMES

ROUNDING = 0.01
"""A drive may keep a ramp in units of its own: so much of it may be lost. Option codes are exact."""
_OPTION_BYTES = 2


def write_stop_options(objects: SdoAccess, plan: SlavePlan, source: str) -> Script[tuple[int, ...]]:
    """Set up one slave in PRE-OP; the objects that it lacks. `source`: of the plan.

    StopOptionError: it does not take or keep a value. MailboxSilentError where its mailbox fails.
    """
    lacking = []
    for option in plan.stop_options:
        if not (yield from _write(objects, plan, option, source)):
            lacking.append(option.index)
    return tuple(lacking)


def _write(objects: SdoAccess, plan: SlavePlan, option: StopOption, source: str) -> Script[bool]:
    """False: there is no such object. What is as wanted is left alone."""
    try:
        if (yield from objects.upload(option.index, 0)) == option.data:
            return True
        yield from objects.download(option.index, 0, option.data)
        found = yield from objects.upload(option.index, 0)
    except SdoAbortedError as error:
        code = error.abort_code
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
