"""`fieldstack estop`: sets the latch straight in shared memory, so it works with the Non-RT process down."""

from __future__ import annotations

import getpass
import time
from dataclasses import dataclass

from fieldstack_rt.datastore import Clear, DataStore, EstopSource, TornRecordError
from fieldstack_rt.datastore.layout import GuardState

CONFIRM_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class EstopOutcome:
    """`obeyed`: somebody who has the outputs confirmed it; `text` says who, or that nobody did."""

    obeyed: bool
    text: str


def raise_estop(store: DataStore, reason: str) -> EstopOutcome:
    """Sets the latch, then waits until the cycle thread obeyed it, or the guard has the outputs safe."""
    begin_ns = time.monotonic_ns()
    store.estop.raise_(EstopSource.OPERATOR, f"{reason} (by {user()})", until=Clear.ON_RESET)
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
