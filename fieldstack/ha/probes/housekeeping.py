"""Whether RT keeps house: its Python thread can stand still while the cycle runs on."""

from __future__ import annotations

from collections.abc import Iterable

from fieldstack.ha.measures import FactKind, Measure
from fieldstack.ha.probes.view import View
from fieldstack.ha.vocabulary import ProcessName
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.housekeeping_beat import silent_ns

NS_PER_MS = 1e6


class Housekeeping:
    """HOUSEKEEPING_SILENT of an RT process that cycles."""

    def __init__(self, view: View, store: DataStore) -> None:
        self._view, self._store = view, store

    def measures(self, now_ns: int) -> Iterable[Measure]:
        status = self._view.rt_status
        if status is None:
            return
        still_ns = silent_ns(now_ns, self._store.rt_main_beat_ns, int(status.started_ns))
        yield Measure(FactKind.HOUSEKEEPING_SILENT, ProcessName.RT, still_ns / NS_PER_MS)
