"""A real RT process on a real virtual segment, with a Non-RT side that the test plays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_to_json
from fieldstack_ethercat.bus.config.planning import plan_from_text
from fieldstack_ethercat.testing.running_segment import RunningSegment, running_segment
from fieldstack_rt.datastore import Clear, DataStore, EstopSource, EventCode, RtEvent
from fieldstack_rt.datastore.events import describe
from fieldstack_rt.datastore.layout import GuardState, RtPhase, Stop
from fieldstack_rt.guard import Guard, GuardConfig

NONRT_SIDE = Path(__file__).parent / "nonrt_side.py"
CONFIG = Path(__file__).parents[2] / "config/ethercat/cell.yaml"


_HOG = """
import os, sys, time
os.sched_setaffinity(0, {1})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    pass
"""


def take_rts_cpu(seconds: float) -> None:
    """Nothing at all runs on RT's CPU for so long: something of higher priority has it, like a busy host."""
    subprocess.run([sys.executable, "-c", _HOG, str(seconds)], check=True)


def stop_segment(cell: RtCell, seconds: float) -> None:
    """Frames that are sent meanwhile wait on the wire; then all are answered in one go."""
    os.kill(cell.segment.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(cell.segment.pid, signal.SIGCONT)


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 10.0) -> None:
    """Until the condition holds; AssertionError names what did not come."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, f"not within {timeout_s} s: {what}"
        time.sleep(0.001)


@dataclass
class RtCell:
    """What a test sees and does."""

    store: DataStore
    segment: RunningSegment
    plan: BusPlan
    own_guard: Guard | None
    """Of this process; None where the Non-RT side is a process of its own."""
    nonrt: subprocess.Popen[str] | None = None
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    beating: threading.Event = field(default_factory=threading.Event)
    events: list[RtEvent] = field(default_factory=list)

    @property
    def guard(self) -> Guard:
        assert self.own_guard is not None, "the guard is in another process here"
        return self.own_guard

    @property
    def rt(self) -> subprocess.Popen[str]:
        return self.processes[-1]

    def start_rt(self, *options: str) -> subprocess.Popen[str]:
        instance = self.store.instance
        command = [sys.executable, "-m", "fieldstack_rt", "run", "--instance", instance.name]
        command += ["--interface", self.segment.interface, "--fault-injection", *options]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def start_nonrt(self) -> subprocess.Popen[str]:
        """A Non-RT side as a process of its own: guard, beat and permit until it is killed."""
        command = [sys.executable, str(NONRT_SIDE), self.store.instance.name]
        self.nonrt = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.nonrt.stdout is not None
        assert self.nonrt.stdout.readline() == "ready\n"
        return self.nonrt

    def kill_nonrt(self) -> None:
        assert self.nonrt is not None
        assert self.nonrt.stdout is not None
        self.nonrt.kill()
        self.nonrt.wait()
        self.nonrt.stdout.close()

    def drain(self) -> list[RtEvent]:
        self.events += self.store.cycle_events.drain(1000) + self.store.host_events.drain(1000)
        return self.events

    def tell_story(self) -> None:
        """For the report of a failed test: what the RT process had to say."""
        for event in self.drain():
            print(f"{event.t_ns / 1e9:.6f} {describe(event)[1]}")
        guard = self.store.guard_status()
        ends = [process.poll() for process in self.processes]
        print(f"guard: {guard.trips} trips, the last by cause {guard.cause}; exit codes of RT: {ends}")

    def seen(self, code: EventCode) -> bool:
        return any(event.code == code for event in self.drain())

    def wait_until_free_to_move(self) -> None:
        """All slaves in OP, axes enabled, nothing in the way."""
        wait_for(lambda: self.store.rt_phase is RtPhase.CYCLING, "RT cycles")
        wait_for(self._free, f"axes free; stop reason {self.store.rt_status().stop_reason}")
        wait_for(lambda: self.store.guard_status().state == GuardState.ARMED, "the guard is armed")

    def start(self, axes: int = 2**64 - 1) -> None:
        """A start: what stands and is held by nothing else may move again."""
        status = self.store.rt_status()
        sequence = self.store.order_start(status, axes)
        wait_for(lambda: self.store.rt_status().start_taken >= sequence, "RT takes the start")

    def _free(self) -> bool:
        status = self.store.rt_status()
        if status.epoch == self.store.rt_epoch and status.stop_reason == Stop.START:
            self.start()
        return bool(
            status.epoch == self.store.rt_epoch
            and status.cycle > 10
            and status.stop_reason == Stop.NONE
            and status.wkc == status.expected_wkc
        )

    def recover(self) -> None:
        """What a FailoverManager does after a trip: a new RT process, then the latch cleared."""
        epoch = self.store.rt_epoch
        self.start_rt()
        wait_for(lambda: self.store.rt_epoch > epoch, "a new RT process has the bus")
        wait_for(lambda: self.store.rt_phase is RtPhase.CYCLING, "it cycles")
        self.store.estop.clear(EstopSource, Clear.ON_RECOVERY)
        self.wait_until_free_to_move()

    def stop_rt(self) -> int:
        self.rt.terminate()
        return self.rt.wait(15)


@contextlib.contextmanager
def rt_cell(
    instance: Instance,
    *,
    threshold_cycles: int = 5,
    own_nonrt: bool = False,
    groups: str = "",
    lost_cycles_limit: int = 50,
    edit: Callable[[str], str] = str,
) -> Iterator[RtCell]:
    """A cell with one RT process, free to move. `own_nonrt`: its Non-RT side is a process, to be killed.

    `groups`: YAML of axis groups, to be added to the bus configuration, which `edit` has changed before.
    """
    whole = plan_from_text(edit(CONFIG.read_text(encoding="utf-8")) + groups)
    # A host that takes the CPU away for some cycles is not what most of these tests are about.
    plan = replace(whole, lost_cycles_limit=lost_cycles_limit)
    instance.plan_file.write_text(plan_to_json(plan))
    with running_segment() as segment:
        store = DataStore.create(instance)
        store.motion_permit = True
        guard = None if own_nonrt else Guard(store, GuardConfig(threshold_cycles=threshold_cycles)).start()
        cell = RtCell(store, segment, plan, guard)
        over = threading.Event()
        beat = threading.Thread(target=_beat, args=(cell, over))
        beat.start()
        try:
            if own_nonrt:
                cell.start_nonrt()
            else:
                cell.beating.set()
            cell.start_rt()
            cell.wait_until_free_to_move()
            yield cell
        finally:
            cell.tell_story()
            _end(cell, over, beat)


def _beat(cell: RtCell, over: threading.Event) -> None:
    while not over.wait(0.02):
        if cell.beating.is_set():
            cell.store.beat_nonrt()


def _end(cell: RtCell, over: threading.Event, beat: threading.Thread) -> None:
    for process in cell.processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()
    over.set()
    beat.join()
    if cell.own_guard is not None:
        cell.own_guard.stop()
    if cell.nonrt is not None:
        cell.kill_nonrt()
    cell.store.unlink()
