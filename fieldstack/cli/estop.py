"""`fieldstack estop`: sets the latch directly in shared memory, so it works without the Non-RT process.

Other commands take from here only who is asking (`user`).
"""

from __future__ import annotations

import getpass
import time
from dataclasses import dataclass

from fieldstack.ha.actuators.rt_view import Rt, look_at_rt
from fieldstack.ha.actuators.stops import guard_has_outputs
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.standstill import HARDWARE, read_back
from fieldstack.nonrt.readback import without_rt
from fieldstack.process.unreachable_rt import attach_or_damaged, stop_unreachable_rt
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import Clear, DataStore, EstopSource, StoreError, StoreMissingError
from fieldstack_rt.datastore.rt_process_search import rt_processes

REACH_S = 1.0
"""How long to wait for a memory that is not there, because it may be made just now."""
CONFIRM_TIMEOUT_S = 1.0
"""At least this long; longer if the axes' ramps take longer."""
_STRAY = "EMERGENCY_STOP for an RT process that the shared memory of that name does not reach"


class NotLatchedError(StoreMissingError):
    """There is no memory in which to set the latch. A cell that starts later will not know of this stop."""

    def __init__(self, name: str, cause: StoreMissingError) -> None:
        super().__init__(name)
        self.args = (f"EMERGENCY_STOP is NOT latched, {HARDWARE} if anything moves: {cause}",)


@dataclass(frozen=True, slots=True)
class EstopOutcome:
    """`obeyed`: all that had to stop is confirmed to stand still or to be safe; `text` says what. `reached`:
    an RT process cycled, but it is not known whether its axes stand still."""

    obeyed: bool
    text: str
    reached: bool = True


def stop_cell(instance: Instance, reason: str) -> EstopOutcome:
    """Sets the latch in the instance's memory; RT processes that do not use this memory are ended, and read
    back.

    Raises:
        NotLatchedError: there is no memory to set the latch in, and no RT process lives.
        StoreError: the memory is not of this version, and no RT process lives.
    """
    store, refused = None, ""
    try:
        store = _attach_or_damaged(instance)
    except StoreError as error:
        if not rt_processes(instance.name):
            if isinstance(error, StoreMissingError):
                raise NotLatchedError(instance.shm_name, error) from None
            raise
        refused = f"the latch is NOT set, for {error}"
    if store is not None:
        _latch(store, reason)  # before anything that takes time
    endings = stop_unreachable_rt(instance, store, EstopSource.OPERATOR, reason)
    latched = raise_estop(store, reason) if store is not None else None
    if latched is not None and not endings:
        return latched
    lines = [f"{_STRAY}: {ending}" for ending in endings]
    texts = [*lines, latched.text if latched is not None else refused]
    stands = latched is None or latched.obeyed or not latched.reached
    safe = all(ending.safe for ending in endings) and stands
    return EstopOutcome(safe and bool(latched or endings), "\n".join(texts), reached=bool(endings))


def _attach_or_damaged(instance: Instance) -> DataStore:
    """A cell that lost its memory soon makes a new one: a stop that is asked for meanwhile must count."""
    until_s = time.monotonic() + REACH_S
    while True:
        try:
            return attach_or_damaged(instance)
        except StoreMissingError:
            if time.monotonic() >= until_s or rt_processes(instance.name):
                raise
        time.sleep(0.02)


def raise_estop(store: DataStore, reason: str) -> EstopOutcome:
    """Sets the latch, then waits until all axes are confirmed to stand still."""
    begin_s = time.monotonic()
    cell = CellMap.load(store.instance.plan_file)
    _latch(store, reason)
    until_s = begin_s + max(CONFIRM_TIMEOUT_S, cell.stop_ms / 1000)
    missing, reached = "", False
    while time.monotonic() < until_s:
        missing, cycles = _missing(store, cell)
        reached = reached or cycles
        if not missing:
            took_ms = (time.monotonic() - begin_s) * 1000
            return EstopOutcome(True, f"EMERGENCY_STOP latched; all axes stand after {took_ms:.0f} ms")
        time.sleep(0.001)
    return EstopOutcome(False, f"EMERGENCY_STOP latched, but {_unconfirmed(missing, reached)}", reached)


def _unconfirmed(missing: str, reached: bool) -> str:
    if reached:
        return f"NOT CONFIRMED: {missing}: {HARDWARE}"
    return (
        f"nobody confirmed it: {missing}. An RT process that starts will obey it. "
        f"Look at the machine, or {HARDWARE}; `fieldstack-rt status --once` shows the cell"
    )


def _missing(store: DataStore, cell: CellMap) -> tuple[str, bool]:
    """What is not confirmed yet (empty: nothing), and whether RT cycles or the guard has its outputs."""
    rt, status = look_at_rt(store, time.monotonic_ns())
    if rt is Rt.STILL:
        return without_rt(store) or "no RT process has driven the axes yet", guard_has_outputs(store)
    if rt is Rt.UNKNOWN:
        return "RT's record cannot be read, and whether the axes stand is not known", True
    if not int(status.estop_seen) & 1 << EstopSource.OPERATOR:
        return "RT has not obeyed", True
    found = read_back(status, cell.plans)
    return "" if found.all_stand else found.text, True


def _latch(store: DataStore, reason: str) -> None:
    store.estop.raise_(EstopSource.OPERATOR, f"{reason} (by {user()})", until=Clear.ON_RESET)


def user() -> str:
    """The name of the person at the keyboard, as far as the system knows it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
