"""Following error and drive faults of all axes, from the last cycle."""

from __future__ import annotations

from collections.abc import Iterable

from fieldstack.ha.cell_map import CellMap
from fieldstack.ha.measures import FactKind, Measure
from fieldstack.ha.probes.view import View
from fieldstack_ethercat.drives.cia402_errors import error_text
from fieldstack_rt.datastore.layout import AxisMode

_MAX_AXES = 64


class Axes:
    """Subjects and limits by axis number; an axis without a limit in the plan has no following error."""

    def __init__(self, view: View, cell: CellMap) -> None:
        self._view = view
        limits = cell.following_error_max
        self._axes = tuple(
            (cell.axis(number), limits[number] if number < len(limits) else 0) for number in range(_MAX_AXES)
        )

    def measures(self, _now_ns: int) -> Iterable[Measure]:
        status = self._view.rt_status
        if status is None:
            return
        for number in range(min(int(status.axis_count), _MAX_AXES)):
            (subject, limit), axis = self._axes[number], status.axes[number]
            if limit > 0:
                error = int(axis.following_error)
                yield Measure(FactKind.FOLLOWING_ERROR, subject, abs(error) / limit, f"{error} counts")
            if axis.state == AxisMode.FAULT:
                code = int(axis.error_code)
                text = f"error code 0x{code:04X} {error_text(code)}" if code else "no error code"
                yield Measure(FactKind.DRIVE_FAULT, subject, float(code or 1), text)
            else:
                yield Measure(FactKind.DRIVE_FAULT, subject, 0.0)
