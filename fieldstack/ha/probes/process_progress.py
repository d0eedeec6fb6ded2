"""Measures how long ago each process made progress. That tells a slow process from a silent one.

Non-RT asks it in each pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.probes.view import View
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore.layout import CoreState

_AT_WORK = frozenset({CoreState.WAITING, CoreState.MOVING})


class ProcessProgress:
    """PROCESS_SLOW of RT and Core as Non-RT sees them, and of Non-RT as RT's agent sees it."""

    def __init__(self, view: View) -> None:
        self._view = view

    def measures(self, now_ns: int) -> Iterable[Measure]:
        status, core = self._view.rt_status, self._view.core_status
        if status is not None:
            yield _slow(ProcessName.RT, now_ns - int(status.cycle_ns))
            yield _slow(ProcessName.NONRT, int(status.nonrt_gap_ns))
        if core is not None and core.state in _AT_WORK:
            yield _slow(ProcessName.CORE, now_ns - int(core.pass_ns))


def _slow(name: ProcessName, still_ns: int) -> Measure:
    return Measure(FactKind.PROCESS_SLOW, name, max(0.0, still_ns / NS_PER_MS))
