"""Carries out START and AWAIT_START: gives the order to RT, and reads back whether RT has taken it.

Used by the FailoverManager.
"""

from __future__ import annotations

from collections.abc import Callable

from fieldstack.ha.actuators.rt_view import fresh_status
from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.outcome import ExecutionResult, Outcome, PendingReadback
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import MAX_AXES, StartKind

TAKE_NS = 500 * NS_PER_MS
_TRACK = "start"


class Starts:
    """Gives START and AWAIT_START to RT."""

    def __init__(self, store: DataStore, cell: CellMap, now_ns: Callable[[], int]) -> None:
        self._store, self._cell, self._now_ns = store, cell, now_ns

    def execute(self, action: Action) -> ExecutionResult:
        status = fresh_status(self._store, self._now_ns())
        if status is None:
            return Outcome(False, "RT does not cycle, or does not show its state: nothing was started")
        go = action.kind is ActionKind.START
        kind = StartKind.GO if go else StartKind.WAIT
        sequence = self._store.order_start(status, action.axes, kind, seen_cycle=action.seen_cycle)
        epoch, names = int(status.epoch), axis_names(self._cell, action.axes)

        def poll(now_ns: int) -> Outcome | str:
            seen = fresh_status(self._store, now_ns)
            if seen is not None and int(seen.epoch) != epoch:
                return Outcome(False, "RT was started again: its axes wait")
            if seen is None or int(seen.start_taken) < sequence:
                return f"{names}: RT has not taken the order"
            waiting = int(seen.axes_await_start) & action.axes
            if go:
                return started(self._cell, action.axes, waiting)
            return Outcome(waiting == action.axes, f"ordered to wait for a start: {names}")

        return PendingReadback(poll, TAKE_NS, _TRACK)


def started(cell: CellMap, asked: int, waiting: int) -> Outcome:
    """The result of a start of `asked`, when `waiting` still wait."""
    done = f"started: {axis_names(cell, asked & ~waiting)}" if asked & ~waiting else "nothing was started"
    if not waiting:
        return Outcome(True, done)
    return Outcome(False, f"{done}; something has stopped {axis_names(cell, waiting)} meanwhile")


def axis_names(cell: CellMap, mask: int) -> str:
    return ", ".join(cell.axis(one).removeprefix("axis:") for one in range(MAX_AXES) if mask >> one & 1)
