"""Measures deadline misses of RT's cycle. Non-RT asks it in each pass."""

from __future__ import annotations

from collections.abc import Iterable

from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.probes.view import View


class Cycle:
    """Misses in a row, and counted since RT's start: cycles that began late or lost their frame."""

    def __init__(self, view: View) -> None:
        self._view = view

    def measures(self, _now_ns: int) -> Iterable[Measure]:
        status = self._view.rt_status
        if status is None:
            return
        late, lost = int(status.late_wakeups), int(status.lost_frames)
        yield Measure(FactKind.DEADLINE_MISSES_IN_A_ROW, ProcessName.RT, float(status.late_row))
        detail = f"{late} late wake-ups, {lost} lost frames since its start" if late or lost else ""
        yield Measure(FactKind.DEADLINE_MISSES, ProcessName.RT, float(late + lost), detail)
