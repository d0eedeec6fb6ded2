"""The Tasks process: attaches to the store, runs the TaskExecutor pass by pass, ends at rest.

`fieldstack.tasks.__main__` runs it. When it dies, Non-RT starts a new one, by itself or through systemd.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fieldstack.ha.checkpoint.restore_for_core import restore_for_core
from fieldstack.tasks.control.command_handler import TaskCommandHandler
from fieldstack.tasks.control.command_server import TaskCommandServer
from fieldstack.tasks.control.injection import Injector
from fieldstack.tasks.control.loop_queue import LoopQueue
from fieldstack.tasks.control.status_record import StatusRecord
from fieldstack.tasks.keep.checkpoint import CheckpointTooLargeError
from fieldstack.tasks.keep.outcome_recorder import OutcomeRecorder
from fieldstack.tasks.keep.previous_run import PreviousRun, last_epoch, read_played, read_saved
from fieldstack.tasks.keep.restoration import restore
from fieldstack.tasks.keep.task_store import TaskStore
from fieldstack.tasks.motion.rt_facts import read_facts
from fieldstack.tasks.motion.trajectory import MotionError
from fieldstack.tasks.program.demo import demo_tasks
from fieldstack.tasks.program.machine import Machine
from fieldstack.tasks.program.settings import CoreSettings
from fieldstack.tasks.run.calls import CallRunner
from fieldstack.tasks.run.executor import TaskExecutor
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_from_json
from fieldstack_rt.datastore import DataStore, StoreLostError, TornRecordError
from fieldstack_rt.datastore.layout import CoreState, RtPhase
from fieldstack_rt.memory_watch import CHECK_PERIOD_NS
from fieldstack_rt.sd_notify import notifier

if TYPE_CHECKING:
    from types import FrameType

PASS_S = 0.02
STOP_TIMEOUT_NS = 3_000_000_000
"""How long an end at rest may take; after it the ring runs dry, which stops the axes as well."""
RING_SLOTS = 1024
CHECK_LIMITS = "check the axes' limits in the bus configuration"


class CoreError(Exception):
    """The process cannot run; the text says why and what to do."""


def run(instance: Instance, plan_file: Path, settings: CoreSettings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        CoreError: another Main Core runs on this instance, or motion cannot be brought to rest.
        StoreError: the shared memory is missing or of another version.
        PlanFormatError, OSError: the bus plan cannot be read.
    """
    plan = plan_from_json(plan_file.read_text(encoding="utf-8"))
    instance.prepare()
    with _only_one(instance):
        store = DataStore.attach(instance, timeout_s=5.0, by_suffix=True)
        try:
            CoreProcess(store, plan, settings).run()
        except MotionError as error:
            raise CoreError(f"the motion stopped: {error}; {CHECK_LIMITS}") from error
        except CheckpointTooLargeError as error:
            raise CoreError(str(error)) from error


@contextlib.contextmanager
def _only_one(instance: Instance) -> Iterator[None]:
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
    """One run of the process on an attached store."""

    def __init__(self, store: DataStore, plan: BusPlan, settings: CoreSettings) -> None:
        now_ns = time.monotonic_ns()
        self._store = store
        self._checked_ns = 0
        self._wake = threading.Event()
        self._loop_queue = LoopQueue(self._wake)
        self._injector = Injector() if settings.fault_injection else None
        self._stop = False
        self._files = TaskStore(store.instance.state_dir)
        if settings.call_folder:
            sys.path.insert(0, settings.call_folder)
        self._calls = CallRunner(settings.calls, self._files)
        self._calls.load()
        epoch = last_epoch(store) + 1
        previous = self._previous_run()
        self._status = StatusRecord(store, epoch=epoch, started_ns=now_ns, revision=previous.saved.revision)
        self._executor = self._restore(previous, plan, settings, now_ns)
        self._recorder = OutcomeRecorder(self._executor.table, self._files)

    def _previous_run(self) -> PreviousRun:
        saved = read_saved(self._store)
        verdict = restore_for_core(self._store)
        held = verdict.reason if verdict is not None and verdict.tasks_ask else ""
        return PreviousRun(saved, read_played(self._store), self._files.load(), held)

    def _restore(
        self, previous: PreviousRun, plan: BusPlan, settings: CoreSettings, now_ns: int
    ) -> TaskExecutor:
        machine = Machine.of(plan)
        demos = demo_tasks(machine, settings.dwell_ms) if settings.demo else []
        table, remarks = restore(machine, self._calls.timeouts, previous, demos, now_ns)
        broken = [f"call {name}: {why}" for name, why in self._calls.broken.items()]
        for remark in (*self._files.remarks, *broken, *remarks):
            print(remark, flush=True)
        return TaskExecutor(
            machine,
            self._store.setpoints,
            table,
            self._calls,
            lead=min(settings.lead_ms * 1_000_000 // plan.cycle_time_ns, RING_SLOTS - 1),
            speed_share=settings.speed_percent / 100,
            hold=self._hold,
            out_of_use=(name for name in previous.saved.lost if name in machine.groups),
        )

    def _hold(self, until_ns: int) -> None:
        self._store.hold_to_run_ns = until_ns

    def run(self) -> None:
        """Raises MotionError, CheckpointTooLargeError, StoreLostError: the process cannot go on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        handler = TaskCommandHandler(
            self._executor,
            self._calls,
            self._files,
            self._loop_queue,
            room=self._status.room,
            injector=self._injector,
        )
        server = TaskCommandServer(self._store.instance.core_socket, handler)
        gc.collect()
        gc.freeze()
        try:
            while not self._stop:
                self._pass()
                self._watch_memory(time.monotonic_ns())
                notifier().progress(time.monotonic_ns(), self._executor.state.name.lower())
                self._wake.wait(PASS_S)
                self._wake.clear()
            notifier().stopping("motion comes to rest")
            self._end_at_rest()
        finally:
            server.close()
            self._recorder.close()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True
        self._wake.set()

    def _pass(self) -> None:
        self._loop_queue.work()
        now_ns = time.monotonic_ns()
        if self._injector is not None:
            self._injector.work(now_ns)
        with contextlib.suppress(TornRecordError):  # RT died inside a write; its successor repairs it
            self._executor.step(now_ns, read_facts(self._store))
        self._recorder.enqueue_ended()
        self._publish(now_ns, self._executor.state)
        self._executor.begin_calls(now_ns)
        self._store.beat_core()

    def _publish(self, now_ns: int, state: CoreState, *, orderly: bool = False) -> None:
        done = self._loop_queue.done
        self._status.write(now_ns, self._executor, self._recorder, state, requests=done, orderly=orderly)

    def _watch_memory(self, now_ns: int) -> None:
        """Setpoints that no RT process sees move nothing; Non-RT starts another process."""
        if now_ns - self._checked_ns < CHECK_PERIOD_NS:
            return
        self._checked_ns = now_ns
        if why := self._store.lost:
            raise StoreLostError(why)

    def _end_at_rest(self) -> None:
        self._executor.stop()
        deadline_ns = time.monotonic_ns() + STOP_TIMEOUT_NS
        while self._still_at_work() and time.monotonic_ns() < deadline_ns:
            self._pass()
            time.sleep(PASS_S)
        self._publish(time.monotonic_ns(), CoreState.STOPPED, orderly=True)

    def _still_at_work(self) -> bool:
        plays = self._store.rt_phase == RtPhase.CYCLING and bool(self._store.motion_permit)
        return (plays and not self._executor.stopped) or self._calls.awaited > 0
