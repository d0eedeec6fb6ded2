"""Makes one run of the cycle benchmark: rounds of RT, bare loops and cyclictest, in turn or at once.

`command` calls it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from fieldstack.bench.cycle import bare_exchange, cyclictest, witnesses
from fieldstack.bench.cycle.bare_exchange import BareExchange
from fieldstack.bench.cycle.cyclictest import Cyclictest
from fieldstack.bench.cycle.options import MARGIN_NS, SLICE_NS, CycleOptions, LoadKind, Reference
from fieldstack.bench.cycle.witnesses import Witnesses
from fieldstack.bench.harness import machine
from fieldstack.bench.harness.report import Say
from fieldstack.bench.harness.rt_process import Overseer, rt_command, rt_process, shared_memory
from fieldstack.bench.harness.samples import CycleSample, SampleReader
from fieldstack.bench.harness.wakes import Wake, Window, in_slices
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_to_json
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_rt.datastore import DataStore

SETTLE_S = 0.3
DRAIN_S = 0.1
OVERHEAD_S = 8.0
"""The most that starting and stopping may add to a round."""


@dataclass(slots=True)
class CycleRecord:
    """All raw measurements. The windows are the times in which RT's cycle was measured."""

    samples: list[CycleSample] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    cyclictest: list[Wake] = field(default_factory=list)
    reference_windows: list[Window] = field(default_factory=list)
    bare: list[BareExchange] = field(default_factory=list)
    bare_spin: list[BareExchange] = field(default_factory=list)
    idle: list[dict[int, float]] = field(default_factory=list)
    """Of each turn of RT, the share of the time in which each CPU had nothing to do."""
    missed_samples: int = 0
    watchdog_expiries: int = 0
    segment_stalls: int = 0

    def slices(self, windows: list[Window], *, loaded: bool) -> list[Window]:
        """The parts of the windows with, or without, load."""
        return [part for w in windows for part in in_slices(w, SLICE_NS, MARGIN_NS, odd=loaded)]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the run takes place; `client` is None on a real bus."""

    instance: Instance
    plan: BusPlan
    interface: str
    client: SegmentClient | None
    folder: Path


class CycleRun:
    """Runs the rounds. Raises BenchError, BusError, SegmentError; then all that was started has ended."""

    def __init__(self, options: CycleOptions, place: Place, say: Say) -> None:
        self._options, self._place, self._say = options, place, say
        self.record = CycleRecord()
        cpus = witnesses.both_sides(options.cpu, options.other_cpu)
        room_s = options.rounds * (options.slice_s * 2 + options.bare_seconds * 2 + OVERHEAD_S)
        self.witnesses = Witnesses(cpus, options.period_ns, options.phase_ns, room_s)

    def run(self) -> CycleRecord:
        self._place.instance.prepare()
        self._place.instance.plan_file.write_text(plan_to_json(self._place.plan), encoding="utf-8")
        stalls_before = self._segment_stalls()
        with ExitStack() as stack:
            store, overseer = stack.enter_context(shared_memory(self._place.instance))
            stack.enter_context(self.witnesses)
            if self._options.reference is Reference.CONCURRENT:
                stack.enter_context(self._cyclictest())
            for number in range(self._options.rounds):
                self._round(number, store, overseer)
        self.record.segment_stalls = self._segment_stalls() - stalls_before
        if self._options.reference is Reference.CONCURRENT:
            self.record.reference_windows = self.record.windows
        return self.record

    def _round(self, number: int, store: DataStore, overseer: Overseer) -> None:
        title = f"round {number + 1} of {self._options.rounds}"
        self._say(f"{title}: cycle")
        self._rt_turn(store, overseer)
        if self._options.reference is Reference.INTERLEAVED:
            self._say(f"{title}: cyclictest")
            self._cyclictest_turn()
        if self._options.bare_seconds > 0:
            self._say(f"{title}: bare loops")
            for spin in (False, True) if number % 2 else (True, False):
                self._bare_turn(spin=spin)

    # ---- RT ----

    def _rt_turn(self, store: DataStore, overseer: Overseer) -> None:
        options, place = self._options, self._place
        load = "" if options.load is LoadKind.NONE else options.load.value
        command = rt_command(
            place.instance,
            place.interface,
            cpu=options.cpu,
            priority=options.priority,
            load=load,
            load_slice_ms=SLICE_NS // 1_000_000,
        )
        with rt_process(command, overseer, store.rt_epoch, place.folder / "rt.log"):
            time.sleep(SETTLE_S)
            expiries = self._watchdog_expiries()
            self._sample(SampleReader(store, options.period_ns))
            self.record.watchdog_expiries += self._watchdog_expiries() - expiries

    def _sample(self, reader: SampleReader) -> None:
        begin_ns = time.monotonic_ns()
        end_ns = begin_ns + int(self._options.slice_s * 1e9)
        with machine.idle_shares() as idle:
            while time.monotonic_ns() < end_ns:
                time.sleep(DRAIN_S)
                self.record.samples.extend(reader.drain())
                self.witnesses.read_steal()
        self.record.idle.append(idle)
        self.record.missed_samples += reader.missed
        self.record.windows.append(Window(begin_ns, end_ns))

    def _watchdog_expiries(self) -> int:
        client = self._place.client
        return sum(slave.watchdog_expiries for slave in client.truth()) if client else 0

    def _segment_stalls(self) -> int:
        client = self._place.client
        return client.statistics().stalls if client else 0

    # ---- references ----

    @contextlib.contextmanager
    def _cyclictest(self) -> Iterator[None]:
        options = self._options
        phase_ns = options.opposite_phase_ns
        command = cyclictest.command(
            cpu=options.cpu,
            priority=options.priority,
            period_ns=options.period_ns,
            phase_ns=phase_ns,
            other_cpu=options.other_cpu,
        )
        output = self._place.folder / "cyclictest"
        reference = Cyclictest(command, period_ns=options.period_ns, phase_ns=phase_ns, output=output)
        try:
            reference.start()
            yield
            self.record.cyclictest.extend(reference.stop())
        finally:
            reference.kill()

    def _cyclictest_turn(self) -> None:
        with self._cyclictest():
            begin_ns = time.monotonic_ns()
            time.sleep(self._options.slice_s)
            self.record.reference_windows.append(Window(begin_ns, time.monotonic_ns()))

    def _bare_turn(self, *, spin: bool) -> None:
        options, place = self._options, self._place
        found = bare_exchange.run(
            place.instance.plan_file,
            place.interface,
            cpu=options.cpu,
            priority=options.priority,
            phase_ns=options.phase_ns,
            seconds=options.bare_seconds / options.rounds,
            spin=spin,
        )
        (self.record.bare_spin if spin else self.record.bare).append(found)
