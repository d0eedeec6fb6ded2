"""The RT process's work beside the cycle: AL states, recovery of slaves, and power for the axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldstack_ethercat.bus.bringup import Bus
from fieldstack_ethercat.bus.diagnosis import explain
from fieldstack_ethercat.bus.plan import BusPlan
from fieldstack_ethercat.bus.recovery import EventKind, Recovery, RecoveryEvent
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt import positions
from fieldstack_rt.cycle import CycleThread
from fieldstack_rt.datastore.layout import EventCode
from fieldstack_rt.datastore.store import DataStore
from fieldstack_rt.realtime import Degraded

CALM_PERIOD_NS = 100_000_000
"""How often AL states are read while the working counter is as expected."""
TEXT_BYTES = 255

_CODES = {
    EventKind.LOST: EventCode.SLAVE_LOST,
    EventKind.RECOVERED: EventCode.SLAVE_RECOVERED,
    EventKind.BACK: EventCode.SLAVE_STATE,
    EventKind.LEFT_OP: EventCode.SLAVE_STATE,
    EventKind.FAILED: EventCode.SLAVE_STATE,
}


class Housekeeping:
    """One pass at a time, from one thread; the cycle runs on meanwhile."""

    def __init__(
        self,
        store: DataStore,
        plan: BusPlan,
        bus: Bus,
        cycle: CycleThread,
        degraded: Sequence[Degraded],
        *,
        wkc_limit: int,
    ) -> None:
        self._store, self._plan, self._bus, self._cycle = store, plan, bus, cycle
        self._wkc_limit = wkc_limit
        self._setup = "; ".join(str(item) for item in degraded)
        self._recovery = Recovery(bus)
        self._power = AxisPower(store, plan, cycle)
        self._lost_ns: dict[int, int] = {}
        self._next_ns = 0
        self._recoveries = 0
        if degraded:
            store.host_events.push(EventCode.SETUP_DEGRADED, a=len(degraded))
        self.tell("")

    def run(self, now_ns: int) -> None:
        """Reads states when it is time or when the working counter is wrong; brings slaves and axes back."""
        status = self._store.rt_status()
        whole = bool(status.wkc == status.expected_wkc)
        if not whole or self._lost_ns or now_ns >= self._next_ns:
            self._next_ns = now_ns + CALM_PERIOD_NS
            for event in self._recovery.run(now_ns):
                self._note(event, now_ns)
            self.tell("; ".join(explain(self._recovery.states)), now_ns)
        in_op = all(state.state is AlState.OP for state in self._recovery.states)
        lost = not in_op or status.bad_wkc_row >= self._wkc_limit
        self._power.run(status, bus_well=whole and in_op, bus_lost=lost)

    def _note(self, event: RecoveryEvent, now_ns: int) -> None:
        state = self._recovery.states[event.position]
        a, b = state.status, state.al_status_code
        if event.kind is EventKind.RECOVERED:
            self._recoveries += 1
            a, b = now_ns - self._lost_ns.pop(event.position, now_ns), 0
        else:
            self._lost_ns.setdefault(event.position, now_ns)
        self._store.host_events.push(_CODES[event.kind], event.position, a, b)

    def tell(self, diagnosis: str, now_ns: int = 0) -> None:
        """Publishes `fs_rt_bus`; texts are kept to 255 bytes."""
        record = self._store.new("fs_rt_bus")
        record.read_ns, record.recoveries = now_ns, self._recoveries
        record.slave_count = len(self._plan.slaves)
        for state in self._recovery.states:
            slave = record.slaves[state.position]
            slave.al_state, slave.al_status_code = state.status, state.al_status_code
        record.interface = self._bus.interface.encode()
        record.setup = _fit(self._setup)
        record.diagnosis = _fit(diagnosis)
        self._store.write_rt_bus(record)


def _fit(text: str) -> bytes:
    return text.encode()[:TEXT_BYTES].decode(errors="ignore").encode()


class AxisPower:
    """Gives the axes power once the bus is whole and they stand where they should.

    Power is taken back when the bus fails, so that each return is checked like the first. Axes that stand
    elsewhere than their checkpoint says get power only after a person's reset, which confirms the positions.
    """

    def __init__(self, store: DataStore, plan: BusPlan, cycle: CycleThread) -> None:
        self._store, self._plan, self._cycle = store, plan, cycle
        self._enabled = False
        self._bus_was_well = False
        self._refused_at_reset: int | None = None
        # Read before this process's first cycle: what its predecessor published last.
        self._last = positions.last_published(store, len(plan.axes))

    def run(self, status: Any, *, bus_well: bool, bus_lost: bool) -> None:
        """One look. The bus must have been well for two looks: a cycle with fresh positions lies between.

        A frame or two that got lost are neither well nor lost: axes that have power keep it and go on.
        """
        if bus_well and self._bus_was_well and not self._enabled:
            self._try_to_enable(status)
        elif bus_lost and self._enabled:
            self._set(False)
        elif bus_well and self._enabled:
            self._last = [int(status.axes[number].position) for number in range(len(self._plan.axes))]
        self._bus_was_well = bus_well

    def _set(self, enabled: bool) -> None:
        self._enabled = enabled
        self._cycle.set_enabled(enabled)

    def _try_to_enable(self, status: Any) -> None:
        resets = self._store.reset_count
        if self._refused_at_reset == resets:
            return
        if self._refused_at_reset is None and self._positions_differ(status):
            self._refused_at_reset = resets
            return
        self._refused_at_reset = None
        self._set(True)

    def _positions_differ(self, status: Any) -> bool:
        """Axes pass that stand where either record says: a checkpoint may be old where Non-RT was held up."""
        axes = self._plan.axes
        records = [found for found in (self._last, positions.checkpointed(self._store, len(axes))) if found]
        if not records:
            return False  # a new cell: nothing is known that could differ
        actual = [int(status.axes[number].position) for number in range(len(axes))]
        found = min((positions.differences(axes, known, actual) for known in records), key=len)
        for item in found:
            self._store.host_events.push(EventCode.POSITIONS_DIFFER, item.axis, item.difference, item.allowed)
        if not found:
            self._store.host_events.push(EventCode.POSITIONS_CHECKED, a=len(axes))
        return bool(found)
