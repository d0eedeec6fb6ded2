"""A cell without processes: the executor on a real ring, and a cycle that plays what is in it."""

from __future__ import annotations

import itertools
import os
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from fieldstack.tasks.keep.checkpoint import Saved, decode, encode
from fieldstack.tasks.keep.outcome_recorder import OutcomeRecorder
from fieldstack.tasks.keep.previous_run import Played, PreviousRun
from fieldstack.tasks.keep.restoration import restore
from fieldstack.tasks.keep.task_store import TaskStore
from fieldstack.tasks.motion.rt_facts import RtFacts
from fieldstack.tasks.motion.stream_control import StreamAction
from fieldstack.tasks.program.compilation import compile_task
from fieldstack.tasks.program.declaration import TaskDeclaration
from fieldstack.tasks.program.machine import Group, Machine
from fieldstack.tasks.program.settings import EntryPoint
from fieldstack.tasks.program.task_files import parse
from fieldstack.tasks.run.calls import CallRunner
from fieldstack.tasks.run.executor import TaskExecutor
from fieldstack.tasks.state.operator_commands import OperatorCommands
from fieldstack.tasks.state.stored_task import StoredTask
from fieldstack.tasks.state.task import Task
from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.layout import AxisMode, RtPhase, Stop, StreamState

MS = 1_000_000
LEAD = 200
CONFIG = Path(__file__).resolve().parents[2] / "config"
PLAN = plan_from_file(CONFIG / "ethercat/cell.yaml")
MACHINE = Machine.of(PLAN)
HOLDING = (AxisMode.HOLDING,) * 4
_modules = itertools.count()


def two_groups() -> Machine:
    """Axes x, y and a second pair of the same kind, both with a gripper; the drives of z and c serve it."""
    x, y = PLAN.axes[:2]
    pair = (replace(x, name="u", slave=2), replace(y, name="v", slave=3))
    capabilities = frozenset({"gripper"})
    groups = {
        "left": Group("left", (0, 1), (x, y), capabilities),
        "right": Group("right", (2, 3), pair, capabilities),
    }
    return replace(MACHINE, axes=(x, y, *pair), groups=groups)


def declare(steps: str, **keys: Any) -> TaskDeclaration:
    """A task from the YAML of its steps."""
    return parse(yaml.safe_dump({"id": "t", **keys, "steps": yaml.safe_load(steps)}), "t.yaml")


def module_of(**functions: Callable[..., object]) -> dict[str, EntryPoint]:
    """These functions as configured entry points."""
    name = f"calls_of_test_{next(_modules)}"
    module = types.ModuleType(name)
    for one, function in functions.items():
        setattr(module, one, function)
    sys.modules[name] = module
    return {one: EntryPoint(f"{name}:{one}", 5000) for one in functions}


class BenchStore(TaskStore):
    """A store that can be cut off: threads of a process that was killed write nothing any more."""

    dead = False

    def kill(self) -> None:
        with self._lock:  # a write that is under way was before the kill
            self.dead = True

    def _write(self, file: Path, content: dict[str, Any]) -> None:
        if self.dead:
            raise OSError("this process is dead")
        super()._write(file, content)


class BenchCell:
    """The cycle's side of the ring beside an executor that can be cut off and restored."""

    def __init__(
        self,
        store: DataStore,
        state_dir: Path,
        *,
        machine: Machine = MACHINE,
        entries: dict[str, EntryPoint] | None = None,
        lead: int = LEAD,
        speed: float = 0.6,
    ) -> None:
        self.store, self.machine, self.lead, self.speed = store, machine, lead, speed
        self._state_dir = state_dir
        self.files = BenchStore(state_dir)
        self.entries = entries or {}
        self.ring = ffi.addressof(store.raw.setpoints)
        self.facts = RtFacts(
            phase=RtPhase.CYCLING,
            epoch=1,
            stop=Stop.NONE,
            permit=True,
            stream=0,
            stream_state=StreamState.IDLE,
            tail=int(self.ring.tail),
            axes=HOLDING,
            targets=(0, 0, -500_000, 0),
            inputs=bytes(1),
            outputs=bytes(1),
        )
        self.now_ns = 1_000 * MS
        self.played: list[tuple[int, tuple[int, ...], int, int]] = []
        """Stream, positions, outputs, mask of commanded axes."""
        self.saved = Saved()
        self.held = ""
        """Why the restore's verdict has tasks ask."""
        self.holds = [0]
        """Until when axes that a person has to hold may follow, as the executor says."""
        self._unheld = 0
        self._revision = 0
        self._finished = 0
        self.boot()

    # ---- the process ----

    def boot(self, built_in: list[TaskDeclaration] | None = None) -> list[str]:
        """A Main Core process begins on what the last one left."""
        self.calls = CallRunner(self.entries, self.files)
        self.calls.load()
        previous = PreviousRun(self.saved, Played(1, int(self.ring.tail)), self.files.load(), self.held)
        table, remarks = restore(self.machine, self.calls.timeouts, previous, built_in or [], self.now_ns)
        self.executor = TaskExecutor(
            self.machine,
            self.store.setpoints,
            table,
            self.calls,
            lead=self.lead,
            speed_share=self.speed,
            hold=self.holds.append,
        )
        return remarks

    def crash(self) -> list[str]:
        """SIGKILL: nothing is written any more; the cycle plays what is in the ring; a new process begins."""
        self.files.kill()
        self.play(3000)
        self.files = BenchStore(self._state_dir)
        return self.boot()

    def break_stream(self) -> None:
        """RT stops the axes for a moment, as for a lost frame; what is left of the stream is dropped."""
        if self.facts.stream_state is StreamState.PLAYING:
            self._finished = self.facts.stream
            self.facts = replace(
                self.facts, stream_state=StreamState.BROKEN, stop=Stop.NONE, axes=HOLDING, standing=True
            )

    def reboot(self) -> list[str]:
        """Power cut: the shared memory is gone, and with it how far the cycle came."""
        self.saved = replace(self.saved, memory=77)
        return self.crash()

    def submit(self, task: TaskDeclaration) -> Task:
        compiled = compile_task(task, self.machine, self.calls.timeouts, "t.yaml")
        table = self.executor.table
        table.check_new(compiled, 8192)
        stored = StoredTask(
            os.urandom(4).hex(), task.model_dump(mode="json", exclude_none=True), "me", self.now_ns
        )
        self.files.save(stored)
        added = table.add(compiled, stored.uid)
        added.stored = stored
        return added

    def record_ends(self) -> None:
        """The recorder writes down how tasks ended, and is through with it."""
        recorder = OutcomeRecorder(self.executor.table, self.files)
        recorder.enqueue_ended()
        recorder.close()

    @property
    def commands(self) -> OperatorCommands:
        return OperatorCommands(self.executor.table)

    @property
    def last_stream(self) -> int:
        """The id of the last stream that the executor opened."""
        return self.executor._feed._last_number

    def task(self, name: str = "t") -> Task:
        return self.executor.table.tasks[name]

    def pass_(self, ms: int = 20) -> StreamAction:
        """One pass of the process, with its checkpoint."""
        self.now_ns += ms * MS
        action = self.executor.step(self.now_ns, self.facts)
        self.checkpoint()
        self.executor.begin_calls(self.now_ns)
        return action

    def checkpoint(self, *, orderly: bool = False) -> None:
        self._revision += 1
        executor = self.executor
        table = executor.table
        state = Saved(self._revision, 1, table.steps, orderly, executor.groups.out_of_use, table.failures)
        saved = decode(encode((task for task in table.tasks.values() if not task.recorded), state))
        assert saved is not None
        self.saved = saved

    # ---- the cycle ----

    def play(self, cycles: int) -> None:
        """The cycle goes on; a ring that runs dry ends the stream."""
        for _ in range(cycles):
            setpoint = lib.fs_setpoint_peek(self.ring)
            while setpoint != ffi.NULL and setpoint.stream <= self._finished:
                lib.fs_setpoint_drop(self.ring)
                setpoint = lib.fs_setpoint_peek(self.ring)
            if setpoint == ffi.NULL:
                if self.facts.stream_state is StreamState.PLAYING:
                    self._finished = self.facts.stream
                    self.facts = replace(
                        self.facts,
                        stream_state=StreamState.UNDERRUN,
                        stop=Stop.UNDERRUN,
                        axes=HOLDING,
                        standing=True,
                    )
                return
            self._play_one(setpoint)

    def _play_one(self, setpoint: Any) -> None:
        last = bool(setpoint.flags & 1)
        mask = self._follow(setpoint)
        positions = tuple(
            int(setpoint.position[number]) if mask >> number & 1 else self.facts.targets[number]
            for number in range(4)
        )
        self.played.append((int(setpoint.stream), positions, int(setpoint.io[0]), mask))
        if last:
            self._finished = int(setpoint.stream)
        axes = tuple(
            AxisMode.FOLLOWING if mask >> number & 1 and not last else AxisMode.HOLDING for number in range(4)
        )
        broken = [n for n in range(4) if self.facts.axes[n] not in (AxisMode.HOLDING, AxisMode.FOLLOWING)]
        axes = tuple(self.facts.axes[n] if n in broken else axes[n] for n in range(4))
        positions = tuple(self.facts.targets[n] if n in broken else positions[n] for n in range(4))
        self.facts = replace(
            self.facts,
            stream=int(setpoint.stream),
            stream_state=StreamState.ENDED if last else StreamState.PLAYING,
            stop=Stop.NONE,
            stops=tuple(Stop.OUT if self._unheld >> number & 1 else Stop.NONE for number in range(4)),
            axes=axes,
            targets=positions,
            standing=not any(setpoint.velocity[number] for number in range(4)),
            outputs=bytes([int(setpoint.io[0])]),
        )
        lib.fs_setpoint_drop(self.ring)
        self.facts = replace(self.facts, tail=int(self.ring.tail))

    def _follow(self, setpoint: Any) -> int:
        """Mask of the axes that follow: those that have to be held only as long as they are."""
        self._unheld &= int(setpoint.axes)
        if self.now_ns >= self.holds[-1]:
            self._unheld |= int(setpoint.hold_to_run)
        return int(setpoint.axes) & ~self._unheld

    def run(self, passes: int = 1) -> None:
        for _ in range(passes):
            self.pass_()
            self.play(20)

    def until(self, condition: Callable[[], object], passes: int = 2000) -> None:
        for _ in range(passes):
            if condition():
                return
            self.run()
        states = [task.describe() for task in self.executor.table.tasks.values()]
        raise AssertionError(f"did not come: {states}")

    def ended(self, name: str = "t") -> bool:
        return self.task(name).phase in ("done", "failed", "cancelled")

    # ---- what was seen ----

    def positions(self, axis: int) -> list[int]:
        return [positions[axis] for _, positions, _, _ in self.played]

    def outputs(self) -> list[int]:
        """The output image, each change of it."""
        images = [image for _, _, image, _ in self.played]
        return [image for image, before in zip(images, [-1, *images], strict=False) if image != before]

    def at(self, axis: int) -> float:
        """Where the axis stands, user units."""
        return self.facts.targets[axis] / self.machine.axes[axis].counts_per_unit

    def input(self, bit: int, value: bool) -> None:
        image = self.facts.inputs[0] & ~(1 << bit) | int(value) << bit
        self.facts = replace(self.facts, inputs=bytes([image]))
