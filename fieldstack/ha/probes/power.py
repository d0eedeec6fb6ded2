"""Counts how often in a row a drive refuses power: it switches off by itself, or does not switch on.

RT counts how often a drive switches off, and gives it power again after a growing time. While a drive does
not switch on, each TRY_NS counts as one more refusal. Non-RT asks it in each pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.probes.view import View
from fieldstack_ethercat.drives import cia402
from fieldstack_rt.datastore.layout import MAX_AXES, AxisMode

TRY_NS = 5_000_000_000
"""A drive needs less time to charge its intermediate circuit and release its brake."""


class Power:
    """REFUSED_REPEATEDLY of `drive:AXIS`."""

    def __init__(self, view: View, cell: CellMap) -> None:
        self._view, self._cell = view, cell
        self._since: dict[int, int] = {}

    def measures(self, now_ns: int) -> Iterable[Measure]:
        status = self._view.rt_status
        if status is None:
            self._since.clear()
            return
        for number in range(min(int(status.axis_count), MAX_AXES)):
            axis = status.axes[number]
            tried = self._tried(number, now_ns, comes_up=axis.state == AxisMode.ENABLING)
            count = max(int(axis.let_go), tried)
            if count:
                state = cia402.state_of(axis.statusword).text
                how = f"does not come up: {state}" if tried else "let go of power by itself"
                detail = (
                    f"its drive {how}; it gets power less and less often: see to it, then `fieldstack reset`"
                )
                subject = self._cell.axis(number).replace("axis:", "drive:", 1)
                yield Measure(FactKind.REFUSED_REPEATEDLY, subject, float(count), detail)

    def _tried(self, number: int, now_ns: int, *, comes_up: bool) -> int:
        if not comes_up:
            self._since.pop(number, None)
            return 0
        return (now_ns - self._since.setdefault(number, now_ns)) // TRY_NS
