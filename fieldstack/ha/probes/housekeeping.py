"""Measures how long RT's housekeeping has been silent.

Its Python thread can stand still while the cycle runs on. Non-RT asks it in each pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.probes.view import View
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.atomic_words import NO_MORE
from fieldstack_rt.datastore.housekeeping_beat import silent_ns

GOES_DOWN_NS = 20_000_000_000
"""An orderly end is faster than this: axes on their ramps, then two changes of the slaves' states."""


class Housekeeping:
    """HOUSEKEEPING_SILENT of a cycling RT process: by its stamp, and by when its count last grew."""

    def __init__(self, view: View, store: DataStore) -> None:
        self._view, self._store = view, store
        self._epoch = self._beat = self._grew_ns = self._down_ns = 0

    def measures(self, now_ns: int) -> Iterable[Measure]:
        status = self._view.rt_status
        if status is None:
            return
        stamp_ns = self._store.rt_main_beat_ns
        grew_ns = self._grew(int(status.epoch), now_ns)
        still_ns = silent_ns(now_ns, stamp_ns, int(status.started_ns))
        if grew_ns and stamp_ns != NO_MORE:
            still_ns = max(still_ns, now_ns - grew_ns)
        still_ns = max(still_ns, self._too_long_down_ns(stamp_ns, now_ns))
        yield Measure(FactKind.HOUSEKEEPING_SILENT, ProcessName.RT, still_ns / NS_PER_MS)

    def _too_long_down_ns(self, stamp_ns: int, now_ns: int) -> int:
        """One that stands still on its way down keeps the drives as they are, and says nothing more."""
        self._down_ns = (self._down_ns or now_ns) if stamp_ns == NO_MORE else 0
        lasted_ns = now_ns - self._down_ns
        return lasted_ns if self._down_ns and lasted_ns > GOES_DOWN_NS else 0

    def _grew(self, epoch: int, now_ns: int) -> int:
        """When the count was last seen to grow in this start of RT; 0: not yet."""
        beat = self._store.rt_main_beat
        if epoch != self._epoch:
            self._epoch, self._grew_ns = epoch, 0
        elif beat != self._beat:
            self._grew_ns = now_ns
        self._beat = beat
        return self._grew_ns
