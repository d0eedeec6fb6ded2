"""Answers operators when what they asked for was read back, or its time is up.

Used by `operator_commands` and `pending_answers`; `fieldstack estop` asks it when RT does not run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldstack.ha.actuators.rt_view import Rt, axes_in_fault, fresh_status, look_at_rt
from fieldstack.ha.actuators.starts import started
from fieldstack.ha.actuators.stops import guard_has_outputs, never_driven
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.standstill import HARDWARE, read_back, unsettled
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore import DataStore

OBEY_TIMEOUT_NS = 200_000_000
RESET_TIMEOUT_NS = 2_000_000_000
RESET_START_NS = 4_000_000_000
"""The same of a reset that has RT started."""
START_TIMEOUT_NS = 500_000_000
SETTLE_NS = 100_000_000
"""A drive whose fault is still there takes this long to report it again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was read back, for the answer: `confirmed` False goes to the operator as a failure."""

    confirmed: bool
    text: str
    obeyed_cycle: int = 0
    again: bool = False
    """Not now: it may be tried again in a moment."""


class EstopReadback:
    """An EMERGENCY_STOP, until all axes are confirmed to stand still. What is not known is no success."""

    def __init__(self, store: DataStore, now_ns: int, cell: CellMap | None = None) -> None:
        self._store, self._cell = store, cell or CellMap()
        self._began_ns = now_ns
        self._until_ns = now_ns + max(OBEY_TIMEOUT_NS, self._cell.stop_ms * NS_PER_MS)

    def poll(self, now_ns: int) -> Finding | None:
        found, cycle = self._read(now_ns)
        if found is True:
            took_ms = (now_ns - self._began_ns) // NS_PER_MS
            never = "RT does not cycle, and has not driven the axes yet"
            stands = f"all axes stand after {took_ms} ms" if cycle else never
            return Finding(True, f"EMERGENCY_STOP latched; {stands}", cycle)
        if now_ns < self._until_ns:
            return None
        return Finding(False, f"EMERGENCY_STOP latched, but NOT CONFIRMED: {found}: {HARDWARE}", cycle)

    def _read(self, now_ns: int) -> tuple[str | bool, int]:
        """True or what is missing; and the cycle that has obeyed."""
        rt, status = look_at_rt(self._store, now_ns)
        if rt is Rt.STILL:
            return without_rt(self._store) or True, 0
        if rt is Rt.UNKNOWN:
            return "RT's record cannot be read, and whether the axes stand is not known", 0
        word = self._store.estop.state().word
        if int(status.estop_seen) & word != word:
            return "RT has not obeyed", 0
        found = read_back(status, self._cell.plans)
        return found.all_stand or found.text, int(status.cycle)


def without_rt(store: DataStore) -> str:
    """What is not known about the axes while no RT process cycles; empty: none has driven them since the
    memory was made, so there is nothing to stop."""
    if never_driven(store):
        return ""
    if guard_has_outputs(store):
        return "RT is gone; the guard has read back safe outputs, but not whether the axes stand"
    return "no RT process cycles, and nobody has read back whether the axes stand"


class ResetReadback:
    """A reset that was accepted: RT has to show the latch cleared, every axis out of its fault, and none that
    runs on. RT that does not cycle has shown nothing of that: the reset may have it started, and waits."""

    def __init__(self, store: DataStore, cell: CellMap, said: str, now_ns: int) -> None:
        self._store, self._cell, self._said = store, cell, said
        self._began_ns = now_ns
        self._until_ns = now_ns + RESET_TIMEOUT_NS
        self._in_fault_ns = 0
        self._waits = ""

    def poll(self, now_ns: int) -> Finding | None:
        missing = self._missing(now_ns)
        if not missing:
            return Finding(True, f"{self._said}; read back: latch cleared, no axis in fault{self._waits}")
        if now_ns < self._until_ns:
            return None
        return Finding(False, f"{self._said}; but NOT CONFIRMED: {missing}")

    def _missing(self, now_ns: int) -> str:
        """What was not read back yet; empty: nothing."""
        rt, status = look_at_rt(self._store, now_ns)
        if rt is Rt.STILL:
            self._until_ns = self._began_ns + RESET_START_NS
            return "RT does not cycle, and has shown nothing; how it goes on says fieldstack status"
        if rt is Rt.UNKNOWN:
            return "RT's record cannot be read"
        if faults := axes_in_fault(status):
            self._in_fault_ns = now_ns
            return self._faults(status, faults)
        if int(status.cycle_ns) <= self._began_ns or now_ns - self._in_fault_ns < SETTLE_NS:
            return "RT shows no later cycle"
        if self._store.estop.state().on_reset or int(status.estop_seen) & 0xFFFFFFFF:
            return "EMERGENCY_STOP is latched still"
        self._waits = "; the axes wait for `fieldstack start`" if int(status.axes_await_start) else ""
        return unsettled(status, self._cell.plans)

    def _faults(self, status: Any, faults: tuple[int, ...]) -> str:
        each = (
            f"{self._cell.axis(one)} is in fault 0x{int(status.axes[one].error_code):04X}" for one in faults
        )
        return "; ".join(each)


class StartReadback:
    """A start that was ordered: RT has to show that the axes no longer wait."""

    def __init__(self, store: DataStore, cell: CellMap, said: str, axes: int, now_ns: int) -> None:
        self._store, self._cell, self._said, self._axes = store, cell, said, axes
        self._until_ns = now_ns + START_TIMEOUT_NS

    def poll(self, now_ns: int) -> Finding | None:
        status = fresh_status(self._store, now_ns)
        waiting = self._axes if status is None else int(status.axes_await_start) & self._axes
        if waiting and now_ns < self._until_ns:
            return None
        if status is None:
            unknown = "RT shows no state: what has come of it is not known; look at fieldstack status"
            return Finding(False, f"{unknown} ({self._said})")
        outcome = started(self._cell, self._axes, waiting)
        return Finding(outcome.confirmed, f"{outcome.text} ({self._said})")
