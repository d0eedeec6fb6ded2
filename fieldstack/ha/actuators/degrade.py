"""Carries out DEGRADE: the cell moves more slowly, or without some axis groups.

It is in force until the next order of its kind. Used by the FailoverManager. `nonrt.beginning` asks whether
RT is limited already.
"""

from __future__ import annotations

from typing import Any

from fieldstack.ha.actuators.rt_view import Rt, look_at_rt
from fieldstack.ha.model.actions import Action
from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.outcome import ExecutionResult, Outcome, PendingReadback
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import MAX_AXES, Stand

FULL = 1000
CONFIRM_TIMEOUT_NS = 5000 * NS_PER_MS


def is_limited(store: DataStore) -> bool:
    """Whether an order of this kind is in force, from any Non-RT process."""
    return (store.speed_override, store.axes_blocked) != (FULL, 0)


class Degrade:
    """Writes override and blocked axes. Core's echo and the standing axes confirm them."""

    def __init__(self, store: DataStore, cell: CellMap) -> None:
        self._store, self._cell = store, cell

    def execute(self, action: Action) -> ExecutionResult:
        try:
            mask = self._cell.mask(action.groups)
        except KeyError as missing:
            known = ", ".join(self._cell.groups) or "none"
            return Outcome(False, f"no axis group {missing} in the bus configuration (there are: {known})")
        wanted = max(0, min(FULL, action.override_percent * 10))
        store = self._store
        store.axes_blocked, store.speed_override = mask, wanted
        said = self._said(action)

        def poll(now_ns: int) -> Outcome | str:
            rt, status = look_at_rt(store, now_ns)
            if rt is Rt.UNKNOWN:
                return "RT's record cannot be read"
            if rt is Rt.STILL:
                return Outcome(True, f"{said}; RT does not cycle: no motion begins by its command")
            if awaited := self._not_standing(status, mask) or self._not_echoed(wanted):
                return awaited
            return Outcome(True, said)

        return PendingReadback(poll, CONFIRM_TIMEOUT_NS, "degrade")

    def _said(self, action: Action) -> str:
        groups = f", standing: {', '.join(action.groups)}" if action.groups else ""
        return f"speed override {action.override_percent} %{groups}"

    def _not_standing(self, status: Any, mask: int) -> str:
        for number in range(min(int(status.axis_count), MAX_AXES)):
            axis = status.axes[number]
            if not mask >> number & 1 or (
                int(status.axes_lost) >> number & 1 and axis.stand == Stand.UNKNOWN
            ):
                continue
            if int(status.axes_playing) >> number & 1 or axis.stand == Stand.MOVING:
                return f"{self._cell.axis(number)} still moves ({int(axis.speed)} counts/s)"
            if axis.stand == Stand.UNKNOWN:
                return f"{self._cell.axis(number)}: whether it stands is not known"
        return ""

    def _not_echoed(self, wanted: int) -> str:
        try:
            echoed = int(self._store.core_status().speed_override)
        except TornRecordError as error:
            return str(error)
        return "" if echoed == wanted else f"the Main Core still runs at {echoed / 10:g} %"
