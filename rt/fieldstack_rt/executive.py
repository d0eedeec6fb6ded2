"""RTExecutive: brings the bus up, starts the native cycle, does the work beside it, and takes the bus down.

`python -m fieldstack_rt run` runs it. Everything here is outside the frame path: it may wait, allocate and
hold the interpreter's lock.
"""

from __future__ import annotations

import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.errors import BusClosedError, BusError, MailboxSilentError
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.bus.soem.soem_context import SoemContext
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt import cycle, guard_plan, realtime, receive
from fieldstack_rt.datastore.atomic_words import NO_MORE
from fieldstack_rt.datastore.errors import StoreLostError
from fieldstack_rt.datastore.layout import EventCode, Stand
from fieldstack_rt.datastore.store import DataStore
from fieldstack_rt.housekeeping import Housekeeping
from fieldstack_rt.memory_watch import MemoryWatch
from fieldstack_rt.sd_notify import notifier
from fieldstack_rt.socket_keeper import SocketKeeper

if TYPE_CHECKING:
    from fieldstack_rt.loads import Load

HOUSEKEEPING_S = 0.01
BUSY_S = 0.002
"""The time between passes while slaves are recovered: their mailboxes answer within a millisecond or two."""
LOSS_CHECK_S = 0.003
"""The time between checks of the working counter, if slaves of non-essential groups may be lost."""
STAND_TIMEOUT_S = 2.0
"""Extra time after the longest ramp, for axes that still move or have power."""
UNKNOWN_TIMEOUT_S = 0.5
"""Time for axes about which nothing is known, when the others stand."""
LOWER_TIMEOUT_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class RtOptions:
    """How an RT process runs; see `python -m fieldstack_rt run --help`."""

    interface: str
    cpu: int = 1
    priority: int = 80
    nonrt_timeout_ms: int = 500
    fault_injection: bool = False
    load: str = ""
    """For benchmarks: one of `loads.KINDS`; empty: none."""
    load_slice_ns: int = 0


class RTExecutive:
    """One RT process's life on one bus."""

    def __init__(self, store: DataStore, plan: BusPlan, options: RtOptions) -> None:
        self.store, self.plan, self.options = store, plan, options
        self.bus = Bus(plan, options.interface)
        self.cycle = cycle.CycleThread(store, cpu=options.cpu, priority=options.priority)
        self._housekeeping: Housekeeping | None = None
        self._load: Load | None = None
        self._wake_read, self._wake_write = socket.socketpair()
        self._cycling = False
        self._guard_plan: Any = None
        self._keeper = SocketKeeper()
        self._memory = MemoryWatch(store, "rt_pid")

    # ---- life ----

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT.

        Raises:
            BusTakenError: another RT process has the bus.
            BusError: the bus could not be brought up as planned; it is left in INIT or PRE-OP.
            StoreLostError: the shared memory was removed or replaced; the axes were brought to a stand.
        """
        started_ns = time.monotonic_ns()
        self._catch_signals()
        self.cycle.start()
        epoch = self.cycle.epoch
        self.store.beat_rt_main(0)
        self.bus.on_retry = self._report_retry
        try:
            self._housekeeping = Housekeeping(
                self.store,
                self.plan,
                self.bus,
                self.cycle,
                self._degraded(),
            )
            self._bring_up(started_ns)
            realtime.leave_cpu(self.options.cpu)
            self._begin_load()
            self._run_housekeeping()
        except BusError as error:
            self._publish_diagnosis(str(error))
            raise
        finally:
            self._take_down()
        self.store.rt_orderly_end = epoch

    def _bring_up(self, started_ns: int) -> None:
        self.bus.open()
        sockets = receive.spin(self.bus.interface)
        if degraded := self._keeper.start(sockets):
            print(f"fieldstack-rt: degraded: {degraded}", file=sys.stderr)
        self.bus.configure()
        context = self.bus.soem_context()
        options = self.options
        self._inform_guard(context)
        config = cycle.configuration(
            self.plan,
            context,
            nonrt_timeout_ns=options.nonrt_timeout_ms * 1_000_000,
            fault_injection=options.fault_injection,
            socket=sockets[0] if sockets else -1,
        )
        realtime.freeze_collector()
        self.cycle.run(config)
        self._cycling = True
        self.bus.request_op()
        missing = self._housekeeping.begin() if self._housekeeping is not None else 0
        self.cycle.set_supervised(True)
        duration = time.monotonic_ns() - started_ns
        self.store.host_events.push(
            EventCode.BUS_OP, a=len(self.plan.slaves) - missing, b=duration, c=missing
        )

    def _begin_load(self) -> None:
        if self.options.load:
            from fieldstack_rt.loads import Load

            self._load = Load(self.options.load, self.bus, self.options.load_slice_ns).start()

    def _inform_guard(self, context: SoemContext) -> None:
        scheduler, affinity = self.cycle.refused
        self._guard_plan = guard_plan.publish(
            self.store,
            self.plan,
            context,
            self.bus.interface,
            epoch=self.cycle.epoch,
            tid=self.cycle.tid,
            cpu=-1 if affinity else self.options.cpu,
            priority=0 if scheduler else self.options.priority,
        )

    def _run_housekeeping(self) -> None:
        assert self._housekeeping is not None  # noqa: S101 - made before the bus came up
        next_s = time.monotonic()
        absent = guard_plan.AbsentSlaves(self.store)
        beat = 0
        while True:
            now_ns = time.monotonic_ns()
            self._housekeeping.run(now_ns)
            self.store.beat_rt_main(time.monotonic_ns())
            guard_plan.repair(self.store, self._guard_plan)
            self._watch_memory(now_ns)
            absent.publish(self._housekeeping.absent)
            if self.store.rt_beat != beat:  # systemd's watchdog is fed by the cycle and this loop, not by one
                beat = self.store.rt_beat
                notifier().progress(now_ns, f"cycles on {self.bus.interface}, {len(self.plan.slaves)} slaves")
            period_s = BUSY_S if self._housekeeping.busy else HOUSEKEEPING_S
            next_s = max(next_s + period_s, time.monotonic())
            if self._rest_until(next_s):
                return

    def _watch_memory(self, now_ns: int) -> None:
        """Without a memory that others see, nobody guards this process and no stop reaches it, so it ends."""
        watch = self._memory.check(now_ns)
        if watch.lost:
            self.store.host_events.push(EventCode.MEMORY_LOST)
            raise StoreLostError(watch.lost)
        if watch.repaired_magic is not None:
            self.store.host_events.push(EventCode.MEMORY_MENDED, a=watch.repaired_magic & (1 << 63) - 1)

    def _rest_until(self, until_s: float) -> bool:
        """True if the end was asked for. A loss that must be explained soon ends the rest."""
        assert self._housekeeping is not None  # noqa: S101 - made before the bus came up
        while True:
            left_s = until_s - time.monotonic()
            if self._stop_asked(min(left_s, LOSS_CHECK_S) if self._housekeeping.may_lose else left_s):
                return True
            if self._housekeeping.urgent or time.monotonic() >= until_s:
                return False

    def _take_down(self) -> None:
        """Takes everything down: axes stop, slaves to SAFE-OP, exchange off, slaves to INIT, bus free."""
        notifier().stopping("axes come to a stand")
        self.store.beat_rt_main(NO_MORE)
        try:
            if self._load is not None:
                self._load.stop()
            if self._cycling:
                self._stop_axes()
                self._lower(AlState.SAFEOP)
            self.cycle.halt()
            self._lower(AlState.INIT)
        finally:
            self.bus.close()
            self.cycle.release()
            self._keeper.close()

    def _stop_axes(self) -> None:
        self.cycle.quiesce()
        now_s = time.monotonic()
        stand_s = STAND_TIMEOUT_S + self.plan.longest_stop_ns / 1e9
        while not self.cycle.standing and time.monotonic() < now_s + stand_s:
            if self.cycle.standing_as_known and time.monotonic() > now_s + UNKNOWN_TIMEOUT_S:
                break
            time.sleep(0.002)
        if not self.cycle.standing:
            print(f"fieldstack-rt: on the way down: {self._not_standing()}", file=sys.stderr)

    def _not_standing(self) -> str:
        """Reports it; then the outputs are made safe all the same, because nothing better is left."""
        axes = self.store.raw.rt_status.axes
        words = {Stand.UNKNOWN: "not known, its inputs do not come", Stand.MOVING: "still moves"}
        found = [
            f"axis {axis.name}: {words.get(axes[number].stand, 'stands, but has power')}"
            for number, axis in enumerate(self.plan.axes)
        ]
        return "not all axes were read back to stand without power: " + "; ".join(found)

    def _lower(self, state: AlState) -> None:
        """Best effort: a slave that does not answer now stops by its own watchdog."""
        try:
            self.cycle.set_supervised(False)
            self.bus.states.request(state, LOWER_TIMEOUT_NS)
        except BusClosedError:
            return  # it ended before there was anything to take down
        except BusError as error:
            print(f"fieldstack-rt: on the way down: {error}", file=sys.stderr)

    # ---- signals ----

    def _catch_signals(self) -> None:
        """Signals become bytes in a socket: nothing of ours runs inside a handler."""
        self._wake_write.setblocking(False)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _ignore)

    def _stop_asked(self, timeout_s: float) -> bool:
        readable, _, _ = select.select([self._wake_read], [], [], max(0.0, timeout_s))
        return bool(readable)

    # ---- telling ----

    def _degraded(self) -> list[realtime.Degraded]:
        scheduler, affinity = self.cycle.refused
        options = self.options
        found = realtime.scheduler_degraded(
            options.cpu, options.priority, scheduler=scheduler, affinity=affinity
        )
        if refused := realtime.lock_memory():
            found.append(refused)
        for item in found:
            print(f"fieldstack-rt: degraded: {item}", file=sys.stderr)
        return found

    def _report_retry(self, silent: MailboxSilentError) -> None:
        waited_ms = round(silent.waited_s * 1000)
        self.store.host_events.push(EventCode.MAILBOX_RETRY, silent.position, silent.attempts, waited_ms)
        print(f"fieldstack-rt: {silent} It is asked again.", file=sys.stderr)

    def _publish_diagnosis(self, diagnosis: str) -> None:
        if self._housekeeping is not None:
            self._housekeeping.publish_bus(diagnosis)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor has the signal already."""
