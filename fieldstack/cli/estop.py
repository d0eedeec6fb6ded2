"""`fieldstack estop`: sets the latch straight in shared memory, so it works with the Non-RT process down."""

from __future__ import annotations

import getpass
import time
from dataclasses import dataclass

from fieldstack.process.strays import reach, stop_strays
from fieldstack_rt.datastore import Clear, DataStore, EstopSource, StoreError, TornRecordError
from fieldstack_rt.datastore.layout import GuardState
from fieldstack_rt.instance import Instance
from fieldstack_rt.living import rt_processes

CONFIRM_TIMEOUT_S = 1.0
_STRAY = "EMERGENCY_STOP for an RT process that the shared memory of that name does not reach"


@dataclass(frozen=True, slots=True)
class EstopOutcome:
    """`obeyed`: somebody who has the outputs confirmed it; `text` says who, or that nobody did."""

    obeyed: bool
    text: str


def stop_cell(instance: Instance, reason: str) -> EstopOutcome:
    """`raise_estop` on the instance's memory; RT processes that it does not reach are ended, and read back.

    Raises:
        StoreError: there is no memory to set the latch in, and no RT process lives.
    """
    store, refused = None, ""
    try:
        store = reach(instance)
    except StoreError as error:
        if not rt_processes(instance.name):
            raise
        refused = f"the latch is NOT set, for {error}"
    if store is not None:
        _latch(store, reason)  # before anything that takes time
    endings = stop_strays(instance, store, EstopSource.OPERATOR, reason)
    latched = raise_estop(store, reason) if store is not None else None
    if latched is not None and not endings:
        return latched
    told = [f"{_STRAY}: {ending}" for ending in endings]
    texts = [*told, latched.text if latched is not None else refused]
    return EstopOutcome(all(ending.safe for ending in endings) and bool(latched or endings), "\n".join(texts))


def raise_estop(store: DataStore, reason: str) -> EstopOutcome:
    """Sets the latch, then waits until the cycle thread obeyed it, or the guard has the outputs safe."""
    begin_ns = time.monotonic_ns()
    _latch(store, reason)
    until = time.monotonic() + CONFIRM_TIMEOUT_S
    first_beat = store.rt_beat
    while time.monotonic() < until:
        if store.rt_beat != first_beat and _seen(store):
            took_ms = (time.monotonic_ns() - begin_ns) / 1e6
            return EstopOutcome(True, f"EMERGENCY_STOP latched; RT obeyed it within {took_ms:.1f} ms")
        if _guard_has_it(store):
            return EstopOutcome(True, "EMERGENCY_STOP latched; RT is gone, the guard keeps the outputs safe")
        time.sleep(0.001)
    return EstopOutcome(
        False,
        "EMERGENCY_STOP latched, but nobody confirmed it: no RT process cycles. "
        "One that starts will obey it. Look at the machine; `fieldstack-rt status --once` shows the cell",
    )


def _latch(store: DataStore, reason: str) -> None:
    store.estop.raise_(EstopSource.OPERATOR, f"{reason} (by {user()})", until=Clear.ON_RESET)


def _seen(store: DataStore) -> bool:
    try:
        return bool(int(store.rt_status().estop_seen) & 1 << EstopSource.OPERATOR)
    except TornRecordError:
        return False


def _guard_has_it(store: DataStore) -> bool:
    try:
        guard = store.guard_status()
    except TornRecordError:
        return False
    return bool(guard.state == GuardState.TRIPPED and guard.confirmed_ns > 0)


def user() -> str:
    """Who is at the keyboard, as far as the system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
