"""The RT process's work beside the cycle: it reads AL states, brings slaves back, gives the axes power.

RTExecutive calls it every 10 ms or so; what it finds is published as `fs_rt_bus`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.bus.master.diagnosis import explain
from fieldstack_ethercat.bus.master.recovery import Recovery
from fieldstack_ethercat.bus.master.recovery_decision import EventKind, RecoveryEvent
from fieldstack_rt.axis_power import AxisPower
from fieldstack_rt.clock_differences import ClockDifferences
from fieldstack_rt.counter_cause import CounterCause
from fieldstack_rt.cycle import CycleThread, excusable_wkc
from fieldstack_rt.datastore.errors import TornRecordError
from fieldstack_rt.datastore.layout import EventCode
from fieldstack_rt.datastore.store import DataStore
from fieldstack_rt.datastore.working_counter import counter_is_good
from fieldstack_rt.error_counters import ErrorCounters
from fieldstack_rt.realtime import Degraded
from fieldstack_rt.slave_losses import LossEffect, LossRules, lost_slaves, still_contributing
from fieldstack_rt.slave_restart import SlaveRestart

CALM_PERIOD_NS = 100_000_000
"""How often AL states are read while the working counter is as expected."""
TEXT_BYTES = 255

_CODES = {
    EventKind.LOST: EventCode.SLAVE_LOST,
    EventKind.RECOVERED: EventCode.SLAVE_RECOVERED,
    EventKind.BACK: EventCode.SLAVE_STATE,
    EventKind.LEFT_OP: EventCode.SLAVE_STATE,
    EventKind.FAILED: EventCode.SLAVE_NOT_BACK,
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
    ) -> None:
        self._store, self._plan, self._bus, self._cycle = store, plan, bus, cycle
        self._setup = "; ".join(str(item) for item in degraded)
        self._recovery = Recovery(bus)
        self._power = AxisPower(store, plan, cycle)
        self._restart = SlaveRestart(store, plan, bus, self._recovery)
        self._cause = CounterCause(bus.line, plan)
        self._errors = ErrorCounters(bus.line, len(plan.slaves))
        self._clocks = ClockDifferences(bus, bus.line)
        self._patience = plan.loss_diagnosis_ns // plan.cycle_time_ns
        self._lost_ns: dict[int, int] = {}
        self._losses: LossRules | None = None
        self._loss = LossEffect(axes=0, wkc=0, well=0, essential=False)
        self.may_lose = any(group.slaves and not group.essential for group in plan.groups)
        """Whether there are slaves whose loss does not stop all axes."""
        self._next_ns = 0
        self._recoveries = 0
        self._reported_lacks: frozenset[tuple[int, int]] = frozenset()
        if degraded:
            store.host_events.push(EventCode.SETUP_DEGRADED, a=len(degraded))
        self.publish_bus("")

    def begin(self) -> int:
        """Before the counter is supervised: reports missing slaves as lost; returns how many."""
        self._losses = LossRules(
            self._plan, excusable_wkc(self._plan, int(self._store.rt_status().expected_wkc))
        )
        self._recovery.states = self._bus.read_states()
        self._publish_losses(self._losses)
        return len(self._lost())

    def run(self, now_ns: int) -> None:
        """Reads states when it is time or when the working counter is wrong; brings slaves and axes back."""
        self._report_lacking()
        try:
            status = self._store.rt_status()
        except TornRecordError:
            return  # damage: the cycle writes it again, and the next pass is soon
        if self._losses is None:  # before any loss the expected counter is the whole bus's
            self._losses = LossRules(self._plan, excusable_wkc(self._plan, int(status.expected_wkc)))
        whole = counter_is_good(status)
        if not whole or self.busy or now_ns >= self._next_ns:
            self._next_ns = now_ns + CALM_PERIOD_NS
            events = self._recovery.read(now_ns, exchange_is_whole=self._exchange_is_whole)
            self._publish_losses(self._losses)
            self._clocks.maintain(self._recovery.states)
            for event in (*events, *self._recovery.act()):
                self._note(event, now_ns)
            self._publish_bus(now_ns)
        self._clocks.run(now_ns)
        self._find_cause(now_ns, status)
        if self._run_restart(now_ns, status, self._losses) or self._errors.run(now_ns):
            self._publish_bus(now_ns)
        if self._give_power(status, self._losses, whole=whole):
            self._publish_bus(now_ns)

    def _report_lacking(self) -> None:
        """Reports once for each drive and object: at bring-up, or when another drive came in its place."""
        found = frozenset((at, one) for at, lacks in self._bus.lacking.items() for one in lacks)
        for position, index in sorted(found - self._reported_lacks):
            self._store.host_events.push(EventCode.STOP_OBJECT_ABSENT, position, index)
        self._reported_lacks = found

    @property
    def busy(self) -> bool:
        """Whether slaves are being recovered or restarted: then the next pass comes soon."""
        return bool(self._lost_ns or self._recovery.busy or self._recovery.faulty or self._restart.busy)

    def _find_cause(self, now_ns: int, status: Any) -> None:
        """Reports a cause for every wrong counter, also if all AL states are as they should be."""
        before = self._cause.text
        busy = self._recovery.busy | self._restart.slaves | self._recovery.faulty.keys()
        found = self._cause.run(now_ns, status, self._recovery.states, busy)
        if found is not None:
            self._recovery.suspect(found.position, found.why)
            self._store.host_events.push(EventCode.SLAVE_NO_PART, found.position)
            self._next_ns = now_ns
        if found is not None or self._cause.text != before:
            self._publish_bus(now_ns)

    def _lost(self) -> frozenset[int]:
        """Positions of the slaves that take no part in the exchange, whatever they say."""
        return lost_slaves(self._recovery.states) | self._recovery.faulty.keys()

    def _run_restart(self, now_ns: int, status: Any, losses: LossRules) -> bool:
        restart, states = self._restart, self._recovery.states
        restart.note_states(states)
        slaves = restart.slaves
        all_stand = losses.effect_of(slaves).essential
        axes = losses.all_axes if all_stand else losses.axes_of(slaves)
        answered = restart.run(now_ns, states, status, axes)
        if restart.slaves != slaves:
            self._publish_losses(losses)
        return answered

    def _exchange_is_whole(self) -> bool:
        try:
            return counter_is_good(self._store.rt_status())
        except TornRecordError:
            return False  # not known

    @property
    def absent(self) -> frozenset[int]:
        """Positions of the slaves that did not answer when they were last looked for."""
        return frozenset(state.position for state in self._recovery.states if not state.answers)

    @property
    def urgent(self) -> bool:
        """A working counter that the loss of a slave of a non-essential group may explain: look at once."""
        raw = self._store.raw.rt_status
        low = 0 <= raw.wkc < raw.expected_wkc
        return bool(self.may_lose and low and raw.bad_wkc_row <= self._patience)

    def _publish_losses(self, losses: LossRules) -> None:
        """Runs before anything that takes time: the other groups' axes only continue if this is in time."""
        restarted = self._restart.slaves
        states = self._recovery.states
        unfit = restarted | self._recovery.faulty.keys() | self._recovery.setting_up
        loss = losses.effect_of(self._lost() | restarted, still_contributing(states) - unfit)
        loss = replace(loss, axes=loss.axes | losses.axes_of(restarted))
        if loss != self._loss:
            self._cycle.set_lost(loss.axes, loss.wkc)
        # where nobody answers, frames are lost; what slaves made of that, they say when they answer again
        answered = restarted or any(state.answers for state in self._recovery.states)
        self._cycle.set_essential_lost(loss.essential and bool(answered))
        self._loss = loss

    def _give_power(self, status: Any, losses: LossRules, *, whole: bool) -> bool:
        """True: the axes that are elsewhere have changed."""
        displaced = self._power.displaced
        loss, wkc, consecutive_bad = self._loss, int(status.wkc), int(status.bad_wkc_row)
        bus_lost = loss.essential or losses.unexplained(wkc, consecutive_bad)
        lost = losses.all_axes if bus_lost else loss.axes
        self._power.run(status, well=loss.well if whole else 0, lost=lost)
        return self._power.displaced != displaced

    def _note(self, event: RecoveryEvent, now_ns: int) -> None:
        state = self._recovery.states[event.position]
        a, b, c = state.status, state.al_status_code, self._recovery.attempts(event.position)
        if event.kind is EventKind.RECOVERED:
            self._recoveries += 1
            a, b, c = now_ns - self._lost_ns.pop(event.position, now_ns), 0, 0
        else:
            self._lost_ns.setdefault(event.position, now_ns)
        self._store.host_events.push(_CODES[event.kind], event.position, a, b, c)

    def _publish_bus(self, now_ns: int) -> None:
        recovery = self._recovery
        sentences = explain(recovery.states, recovery.faulty, recovery.failures)
        self.publish_bus("; ".join((*sentences, self._cause.text) if self._cause.text else sentences), now_ns)

    def _lacks(self) -> str:
        """Reports objects that say how a drive stops, and that it does not have."""
        found = ((at, ", ".join(f"0x{one:04X}" for one in lacks)) for at, lacks in self._bus.lacking.items())
        return "; ".join(f"{self._plan.slaves[at].name} has no {lacks}" for at, lacks in found if lacks)

    def publish_bus(self, diagnosis: str, now_ns: int = 0) -> None:
        """Publishes `fs_rt_bus`; texts are kept to 255 bytes."""
        record = self._store.new("fs_rt_bus")
        record.read_ns, record.recoveries = now_ns, self._recoveries
        record.axes_elsewhere = self._power.displaced
        record.slave_count = len(self._plan.slaves)
        lost = self._lost()
        for state in self._recovery.states:
            slave = record.slaves[state.position]
            slave.al_state, slave.al_status_code = state.status, state.al_status_code
            slave.lost = int(state.position in lost)
            slave.dc_difference_ns = self._clocks.of(state.position)
        for position, errors in enumerate(self._errors.totals):
            record.slaves[position].rx_errors = errors.rx_errors
            record.slaves[position].lost_links = errors.lost_links
        for position, done in self._restart.answers.items():
            slave = record.slaves[position]
            slave.restart_done, slave.restart_ok = done.sequence, int(done.ok)
        answer, record.command_taken = self._restart.answer, self._restart.taken
        record.command_done, record.command_ok = answer.sequence, int(answer.ok)
        record.command_text = answer.text.encode()
        record.interface = self._bus.interface.encode()
        record.setup = _fit("; ".join(filter(None, (self._setup, self._lacks()))))
        record.diagnosis = _fit(diagnosis)
        self._store.write_rt_bus(record)


def _fit(text: str) -> bytes:
    return text.encode()[:TEXT_BYTES].decode(errors="ignore").encode()
