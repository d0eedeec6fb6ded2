"""Brings a slave back into the exchange, as scripts: address, AL states, set-up (ETG.1000.6, 5.3).

The steps of the recovery are made of them.
"""

from __future__ import annotations

from collections.abc import Callable

from fieldstack_ethercat.bus.config.slave_plan import SlavePlan
from fieldstack_ethercat.bus.errors import SlaveGoneError, StateChangeError
from fieldstack_ethercat.bus.script import AT_ONCE, Script, pause_ns
from fieldstack_ethercat.bus.slave import slave_setup
from fieldstack_ethercat.bus.slave.coe_client import CoeClient
from fieldstack_ethercat.bus.slave.slave_link import SlaveLink
from fieldstack_ethercat.bus.slave.states import SlaveState, hint
from fieldstack_ethercat.bus.soem.soem_structs import (
    COE_COMPLETE_ACCESS,
    MAILBOX_COE,
    MAX_FMMUS,
    MAX_SYNC_MANAGERS,
)
from fieldstack_ethercat.wire.al import AlState, AlStatus, code_text, control_word
from fieldstack_ethercat.wire.coe import Emergency
from fieldstack_ethercat.wire.registers import (
    FMMU_SIZE,
    SYNC_MANAGER_SIZE,
    Register,
    fmmu_register,
    sync_manager_register,
)

STATE_TIMEOUT_NS = {
    AlState.INIT: 5_000_000_000,
    AlState.PREOP: 5_000_000_000,
    AlState.SAFEOP: 10_000_000_000,
    AlState.OP: 10_000_000_000,
}
"""ETG.2000's defaults for slaves that state none, and not below 5 s."""
MISSED_LOOKS = 5
_BELOW = {AlState.PREOP: AlState.INIT, AlState.SAFEOP: AlState.PREOP, AlState.OP: AlState.SAFEOP}
"""Where a slave is that climbs to a state; one that is elsewhere has fallen meanwhile."""
SETTLE_NS = 5_000_000
"""What a slave gets to take over its mailbox's sync managers, as SOEM gives it."""
EEPROM_TO_PDI = b"\x01"


def reach_state(link: SlaveLink, state: AlState, *, acknowledge: bool = False) -> Script[None]:
    """Request an AL state, and see it reached. StateChangeError if it is refused or late, SlaveGoneError.

    With `acknowledge` an error that is there is acknowledged, and may show until the state is reached.
    """
    yield from link.write(
        Register.AL_CONTROL, control_word(state, acknowledge), f"{state.text} was requested"
    )
    now_ns = yield AT_ONCE
    began_ns, missed, status = now_ns, 0, None
    while now_ns - began_ns <= STATE_TIMEOUT_NS[state]:
        status = link.status()
        missed = missed + 1 if status is None else 0
        if missed > MISSED_LOOKS:
            raise SlaveGoneError(link.position, link.name, f"{state.text} was awaited")
        if status is not None and status.state == state and not status.error:
            return
        if status is not None and not acknowledge and (status.error or status.state != _BELOW.get(state)):
            break
        now_ns = yield now_ns + pause_ns(now_ns - began_ns)
    raise _not_reached(link, state, status)


def acknowledge(link: SlaveLink, state: AlState) -> Script[None]:
    """Clear the error indication of a slave that is in `state`."""
    yield from reach_state(link, state, acknowledge=True)


def configure(
    link: SlaveLink,
    plan: SlavePlan,
    *,
    start_sync0: Callable[[int], None] | None = None,
    on_emergency: Callable[[Emergency], None] | None = None,
    on_lacking: Callable[[tuple[int, ...]], None] | None = None,
    source: str = "",
) -> Script[None]:
    """From any state through INIT and PRE-OP to SAFE-OP, set up as planned from the beginning. `source`: of
    the plan; `on_lacking`: is called with the stop objects that it does not have."""
    yield from reach_state(link, AlState.INIT, acknowledge=True)
    yield from _forget_all(link)
    yield from _write_sync_managers(link)
    now_ns = yield AT_ONCE
    yield now_ns + SETTLE_NS
    yield from reach_state(link, AlState.PREOP)
    has_coe = bool(link.record.mailbox_protocols & MAILBOX_COE)
    complete = bool(link.record.coe_details & COE_COMPLETE_ACCESS)
    objects = CoeClient(link, on_emergency) if has_coe else None
    lacking = yield from slave_setup.set_up(link, objects, plan, complete_access=complete, source=source)
    if on_lacking is not None:
        on_lacking(lacking)
    if start_sync0 is not None:
        start_sync0(link.position)
        yield AT_ONCE
    yield from _write_sync_managers(link)
    yield from _write_fmmus(link)
    yield from reach_state(link, AlState.SAFEOP)


def _forget_all(link: SlaveLink) -> Script[None]:
    what = "its registers were cleared"
    yield from link.write(Register.FMMU, bytes(MAX_FMMUS * FMMU_SIZE), what)
    yield from link.write(Register.SYNC_MANAGER, bytes(MAX_SYNC_MANAGERS * SYNC_MANAGER_SIZE), what)
    yield from link.write(Register.EEPROM_CONFIG, EEPROM_TO_PDI, what)


def _write_sync_managers(link: SlaveLink) -> Script[None]:
    for index, manager in enumerate(link.record.sync_managers):
        if manager.start:
            yield from link.write(sync_manager_register(index), bytes(manager), f"SM{index} was set")


def _write_fmmus(link: SlaveLink) -> Script[None]:
    for index, fmmu in enumerate(link.record.fmmus):
        if fmmu.active:
            yield from link.write(fmmu_register(index), bytes(fmmu), f"FMMU{index} was set")


def _not_reached(link: SlaveLink, wanted: AlState, status: AlStatus | None) -> StateChangeError:
    found = SlaveState(link.position, link.name, status.status if status else 0, status.code if status else 0)
    return state_change_error(wanted, found)


def state_change_error(wanted: AlState, slave: SlaveState) -> StateChangeError:
    """Why a slave is not in the state that was asked for, and what to do."""
    if slave.error:
        advice = hint(slave.al_status_code)
    elif not slave.answers:
        advice = "Check its power and the cable to it."
    else:
        advice = "It reports no error but takes too long: raise the time-out, or check its own diagnosis."
    return StateChangeError(
        position=slave.position,
        slave=slave.name,
        wanted=wanted.text,
        actual=slave.state_text,
        al_status_code=slave.al_status_code,
        text=code_text(slave.al_status_code) if slave.error else "no error reported",
        hint=advice,
    )
