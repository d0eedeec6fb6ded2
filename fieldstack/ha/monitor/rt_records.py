"""Reads what the present start of RT has published in shared memory. Used by `process_monitor`.

The content of a torn record is not known, so the last good one counts for a while. The record shows once for
each start that RT has begun to work; RT's beat shows whether it continues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.facts import BusFacts
from fieldstack.ha.monitor.bus_facts import all_in_op, displaced_groups_of, position_check
from fieldstack_base.units import NS_PER_MS
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore, counter_is_good

KEPT_NS = 1000 * NS_PER_MS
"""The last good record counts for this long: many times RT's slowest write (that of its housekeeping)."""
HIGHEST_EPOCH = 1 << 48
"""As native/bus.c: beyond it is damage."""


@dataclass(slots=True)
class _Kept:
    """A record, and when it was read."""

    record: Any = None
    read_ns: int = 0

    def take(self, record: Any, now_ns: int) -> None:
        if record is not None:
            self.record, self.read_ns = record, now_ns

    def torn_for_ns(self, now_ns: int) -> int:
        return now_ns - self.read_ns


class RtRecords:
    """Reads at each look; `began` forgets the start before."""

    def __init__(self, store: DataStore, cell: CellMap) -> None:
        self._store, self._cell = store, cell
        self._before = 0
        self._epoch = 0
        self._first_cycle_ns = 0
        self._status, self._bus = _Kept(), _Kept()

    def began(self, *, adopted: bool) -> None:
        """A start: everything with a higher epoch belongs to it. An adopted process has raised the epoch
        already."""
        self._before = self._last_epoch() - adopted
        self._epoch = self._first_cycle_ns = 0
        self._status, self._bus = _Kept(), _Kept()

    def _last_epoch(self) -> int:
        """The epoch, from two places, so that damage to one of them does not hide the next start."""
        status = self._store.peek("rt_status")
        known = [self._store.rt_epoch, int(status.epoch) if status is not None else 0]
        return max((epoch for epoch in known if epoch < HIGHEST_EPOCH), default=0)

    # ---- where it is ----

    @property
    def epoch(self) -> int:
        """Of the present start; 0: it has not reached the shared memory yet."""
        if self._epoch:
            return self._epoch
        reported = self._store.rt_epoch
        return reported if self._before < reported < HIGHEST_EPOCH else 0

    def is_after(self, epoch: int) -> bool:
        """Whether an RT process of this epoch belongs to the present start, or to a later one."""
        return epoch > self._before

    @property
    def at_work(self) -> bool:
        """Whether it has cycled; its beat says whether it goes on."""
        return bool(self._epoch)

    @property
    def ending(self) -> bool:
        return bool(self.epoch) and self._store.rt_ending(self.epoch)

    @property
    def released(self) -> bool:
        return bool(self.epoch) and self._store.rt_released(self.epoch)

    # ---- what it says ----

    def read(self, now_ns: int) -> None:
        status = self._store.peek("rt_status")
        if not self._epoch and status is not None and int(status.cycle) > 0:
            reported = int(status.epoch)
            self._epoch = reported if reported == self.epoch else 0
        if not self._epoch:
            return
        self._first_cycle_ns = self._first_cycle_ns or now_ns
        self._status.take(status if status is not None and status.epoch == self._epoch else None, now_ns)
        self._bus.take(self._store.peek("rt_bus"), now_ns)

    def status(self, now_ns: int) -> Any:
        """`fs_rt_status`; None: of no start that has cycled, or torn for too long."""
        return self._status.record if self._status.torn_for_ns(now_ns) <= KEPT_NS else None

    def bus(self, now_ns: int) -> Any:
        """`fs_rt_bus`, likewise."""
        return self._bus.record if self._bus.torn_for_ns(now_ns) <= KEPT_NS else None

    def facts(self, now_ns: int) -> BusFacts:
        """Of a process that is at work."""
        status, bus = self.status(now_ns), self.bus(now_ns)
        if status is None or bus is None:
            kept = self._bus if bus is None else self._status
            name = "rt_bus" if bus is None else "rt_status"
            torn_ms = kept.torn_for_ns(now_ns) // NS_PER_MS
            detail = (
                f"record {name} has been torn for {torn_ms} ms" if kept.read_ns else f"record {name} is torn"
            )
            return BusFacts(cycling=True, first_cycle_ns=self._first_cycle_ns, detail=detail)
        return BusFacts(
            cycling=True,
            first_cycle_ns=self._first_cycle_ns,
            wkc=int(status.wkc),
            expected_wkc=int(status.expected_wkc),
            wkc_good=counter_is_good(status),
            consecutive_bad_wkc=int(status.bad_wkc_row),
            all_op=all_in_op(bus, self._cell),
            positions=position_check(status, bus, self._cell),
            displaced_groups=displaced_groups_of(status, bus, self._cell),
            detail=bytes(ffi.buffer(bus.diagnosis)).split(b"\0", 1)[0].decode(errors="replace"),
        )
