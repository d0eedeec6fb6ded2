"""Answers to operators that wait until what was asked for was read back, or its time is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldstack.ha.actuators.rt_view import axes_in_fault, fresh_status
from fieldstack.ha.actuators.starts import started
from fieldstack.ha.cell_map import CellMap
from fieldstack_rt.datastore import DataStore

OBEY_TIMEOUT_NS = 200_000_000
RESET_TIMEOUT_NS = 2_000_000_000
START_TIMEOUT_NS = 500_000_000
SETTLE_NS = 100_000_000
"""A drive whose fault is still there takes so long to say so again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was read back, for the answer: `confirmed` False goes to the operator as a failure."""

    confirmed: bool
    text: str
    obeyed_cycle: int = 0
    again: bool = False
    """Not now: it may be asked for again in a moment."""


class EstopReadback:
    """An EMERGENCY_STOP that RT has not been seen to obey yet."""

    def __init__(self, store: DataStore, now_ns: int) -> None:
        self._store, self._until_ns = store, now_ns + OBEY_TIMEOUT_NS

    def look(self, now_ns: int) -> Finding | None:
        status = fresh_status(self._store, now_ns)
        if status is not None:
            word = self._store.estop.state().word
            if int(status.estop_seen) & word == word:
                cycle = int(status.cycle)
                return Finding(True, f"EMERGENCY_STOP latched; RT obeyed it by cycle {cycle}", cycle)
        if now_ns < self._until_ns:
            return None
        return Finding(
            True, "EMERGENCY_STOP latched; RT does not cycle, so that nothing moves by its command"
        )


class ResetReadback:
    """A reset that was accepted: the latch has to be seen cleared by RT, and every axis out of its fault."""

    def __init__(self, store: DataStore, cell: CellMap, said: str, now_ns: int) -> None:
        self._store, self._cell, self._said = store, cell, said
        self._began_ns = now_ns
        self._in_fault_ns = 0

    def look(self, now_ns: int) -> Finding | None:
        status = fresh_status(self._store, now_ns)
        over = now_ns - self._began_ns >= RESET_TIMEOUT_NS
        if status is None:
            return Finding(True, f"{self._said}; RT does not cycle: nothing to read back yet")
        if faults := axes_in_fault(status):
            self._in_fault_ns = now_ns
            return Finding(False, f"{self._said}; but {self._faults(status, faults)}") if over else None
        if int(status.cycle_ns) <= self._began_ns or now_ns - self._in_fault_ns < SETTLE_NS:
            return Finding(False, f"{self._said}; but RT shows no later cycle") if over else None
        left = self._store.estop.state().on_reset
        if left or int(status.estop_seen) & 0xFFFFFFFF:
            return Finding(False, f"{self._said}; but EMERGENCY_STOP is latched still") if over else None
        return Finding(True, f"{self._said}; read back: latch cleared, no axis in fault")

    def _faults(self, status: Any, faults: tuple[int, ...]) -> str:
        each = (
            f"{self._cell.axis(one)} is in fault 0x{int(status.axes[one].error_code):04X}" for one in faults
        )
        return "; ".join(each)


class StartReadback:
    """A start that was ordered: the axes have to be seen to wait no more."""

    def __init__(self, store: DataStore, cell: CellMap, said: str, axes: int, now_ns: int) -> None:
        self._store, self._cell, self._said, self._axes = store, cell, said, axes
        self._until_ns = now_ns + START_TIMEOUT_NS

    def look(self, now_ns: int) -> Finding | None:
        status = fresh_status(self._store, now_ns)
        waiting = self._axes if status is None else int(status.axes_await_start) & self._axes
        if waiting and now_ns < self._until_ns:
            return None
        outcome = started(self._cell, self._axes, waiting)
        return Finding(outcome.confirmed, f"{outcome.text} ({self._said})")
