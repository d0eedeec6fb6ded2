"""The Main Core process: attaches to the store, runs the TaskExecutor pass by pass, ends at rest."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fieldstack.core.executor import TaskExecutor, rt_facts
from fieldstack.core.motion import MotionError
from fieldstack.core.program import DemoProgram
from fieldstack.core.task_state import TaskState
from fieldstack_ethercat.bus.plan import BusPlan
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore, TornRecordError
from fieldstack_rt.datastore.layout import CoreState, RtPhase
from fieldstack_rt.instance import Instance
from fieldstack_rt.sd_notify import notifier

if TYPE_CHECKING:
    from types import FrameType

PASS_S = 0.02
STOP_TIMEOUT_NS = 3_000_000_000
"""How long an end at rest may take; after it the ring runs dry, which stops the axes as well."""
RING_SLOTS = 1024
CHECK_LIMITS = "check the axes' limits in the bus configuration"


class CoreError(Exception):
    """The Main Core process can not run; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """`lead_ms` of setpoints are kept ahead; speed as a share of the axes' limits; rest at each way point."""

    lead_ms: int = 200
    speed_percent: int = 60
    dwell_ms: int = 150


def run(instance: Instance, plan_file: Path, settings: CoreSettings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        CoreError: another Main Core runs on this instance, or the program's motion can not be planned.
        StoreError: the shared memory is missing or of another version.
        PlanFormatError, OSError: the bus plan can not be read.
    """
    plan = BusPlan.from_json(plan_file.read_text(encoding="utf-8"))
    instance.prepare()
    with _only_one(instance):
        store = DataStore.attach(instance, timeout_s=5.0)
        try:
            CoreProcess(store, plan, settings).run()
        except MotionError as error:
            raise CoreError(f"the motion program stopped: {error}; {CHECK_LIMITS}") from error


@contextlib.contextmanager
def _only_one(instance: Instance) -> Any:
    """Two feeders would interleave their setpoints in one ring."""
    file: IO[bytes]
    with (instance.runtime_dir / "core.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CoreError(
                f"a Main Core process already runs on instance {instance.name!r}; "
                "`fieldstack-rt status --once` shows its pid"
            ) from error
        yield


class CoreProcess:
    """One run of the Main Core on an attached store."""

    def __init__(self, store: DataStore, plan: BusPlan, settings: CoreSettings) -> None:
        self._store = store
        lead = min(settings.lead_ms * 1_000_000 // plan.cycle_time_ns, RING_SLOTS - 1)
        program = DemoProgram.for_plan(
            plan, speed_share=settings.speed_percent / 100, dwell_ms=settings.dwell_ms
        )
        self._has_axes = bool(plan.axes)
        self._executor = TaskExecutor(program, store.setpoints, restore_task(store), lead)
        self._epoch = _last_epoch(store) + 1
        self._started_ns = time.monotonic_ns()
        self._wake = threading.Event()
        self._stop = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        gc.collect()
        gc.freeze()
        while not self._stop:
            self._pass()
            notifier().progress(time.monotonic_ns(), self._executor.state.name.lower())
            self._wake.wait(PASS_S)
        notifier().stopping("motion comes to rest")
        self._end_at_rest()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True
        self._wake.set()

    def _pass(self) -> None:
        now_ns = time.monotonic_ns()
        if self._has_axes:
            self._feed(now_ns)
        self._publish(now_ns, self._executor.state)
        self._store.beat_core()

    def _feed(self, now_ns: int) -> None:
        try:
            record = self._store.rt_status()
        except TornRecordError:
            return  # RT died inside a write; its successor mends the record
        facts = rt_facts(record, phase=self._store.rt_phase, permit=self._store.motion_permit)
        self._executor.step(now_ns, facts)

    def _end_at_rest(self) -> None:
        self._executor.stop()
        deadline_ns = time.monotonic_ns() + STOP_TIMEOUT_NS
        while not self._executor.stopped and time.monotonic_ns() < deadline_ns and self._rt_plays():
            self._pass()
            time.sleep(PASS_S)
        self._publish(time.monotonic_ns(), CoreState.STOPPED)

    def _rt_plays(self) -> bool:
        return self._store.rt_phase == RtPhase.CYCLING and bool(self._store.motion_permit)

    def _publish(self, now_ns: int, state: CoreState) -> None:
        record = self._store.new("fs_core_status")
        task = self._executor.task.to_json()
        record.epoch = self._epoch
        record.started_ns = self._started_ns
        record.pass_ns = now_ns
        record.pid = os.getpid()
        record.state = state
        record.task_size = len(task)
        record.task = task
        self._store.write_core_status(record)


def restore_task(store: DataStore) -> TaskState:
    """Where to go on: the newer of the last Core's own record and the checkpoint, else the beginning."""
    found: list[tuple[int, TaskState]] = []
    for read, stamp in ((store.core_status, "pass_ns"), (store.checkpoint, "written_ns")):
        with contextlib.suppress(TornRecordError):
            record = read()
            task = TaskState.from_json(ffi.buffer(record.task)[: record.task_size])
            if task is not None:
                found.append((getattr(record, stamp), task))
    return max(found, key=lambda item: item[0])[1] if found else TaskState()


def _last_epoch(store: DataStore) -> int:
    try:
        return int(store.core_status().epoch)
    except TornRecordError:
        return 0
