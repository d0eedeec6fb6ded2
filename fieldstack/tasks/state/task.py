"""One task's life: its phase and its cursor, as far as they have come true. The table has one for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fieldstack.tasks.motion.runner import Runner
from fieldstack.tasks.program.actions import Action, Outputs
from fieldstack.tasks.program.compilation import CompiledTask
from fieldstack.tasks.program.declaration import Mode, TaskDeclaration
from fieldstack.tasks.program.program import Cursor
from fieldstack.tasks.state.phase import FINAL, Phase
from fieldstack.tasks.state.stored_task import StoredTask
from fieldstack_base.units import NS_PER_MS


class PendingChange(StrEnum):
    """What is to become of a task once its axes are at rest; of several, the first one comes true first."""

    CANCEL = "cancel"
    FAIL = "fail"
    """It has failed already; `why` says how."""
    RESTART = "restart"
    PAUSE = "pause"


ENDING = frozenset({PendingChange.CANCEL, PendingChange.FAIL})


@dataclass(slots=True)
class Task:
    """`uid` tells two submissions of one id apart. `begun`: a run is under way. `run` counts from 0."""

    compiled: CompiledTask
    uid: str
    phase: Phase = Phase.READY
    run: int = 0
    step: int = 0
    attempt: int = 0
    """How often it began a run again: what is known of an earlier attempt says nothing of the present one."""
    begun: bool = False
    group: str = ""
    """The axis group it is bound to while a run is under way."""
    outputs: dict[str, int] = field(default_factory=dict)
    """What this run has set so far: set again where it goes on."""
    due_ns: int = 0
    triggered: bool = False
    """A trigger came that no run has answered yet."""
    run_due: bool = False
    """Its time or its trigger came: a run begins once it can, also after a pause."""
    queued: int = 0
    why: str = ""
    waits: str = ""
    """Why it does not run at present though it is READY; found again in each pass."""
    asks_about_call: bool = False
    pending_changes: set[PendingChange] = field(default_factory=set)
    missed: int = 0
    """Periods that passed while the run before was still under way."""
    input_since_ns: int = 0
    """Since when the present step waits for its input."""
    input_seen: bool | None = None
    runner: Runner | None = None
    stored: StoredTask | None = None
    """Its file; None: built in."""
    recorded: bool = False
    """Its end is on the disk."""

    @property
    def declaration(self) -> TaskDeclaration:
        return self.compiled.declaration

    @property
    def id(self) -> str:
        return self.declaration.id

    @property
    def cursor(self) -> Cursor:
        return self.run, self.step

    @property
    def shown(self) -> Phase:
        return Phase.RUNNING if self.runner is not None and self.phase is Phase.READY else self.phase

    @property
    def size(self) -> int:
        return self.compiled.program.size

    @property
    def action(self) -> Action:
        """What its present step does."""
        return self.compiled.program.at(min(self.step, self.size - 1))

    def advance(self, to: Cursor) -> int:
        """All steps before `to` are complete. Returns how many that are more than before."""
        count = 0
        while self.cursor < to:
            self.outputs.update(self.action.outputs)
            count += 1
            if self.step + 1 < self.size:
                self.step += 1
            else:
                self.run, self.step = self.run + 1, 0
                self.outputs.clear()
        return count

    @property
    def kept_outputs(self) -> Outputs:
        return tuple(self.outputs.items())

    @property
    def ends(self) -> bool:
        """It will not go on, whatever comes."""
        return self.phase in FINAL or bool(self.pending_changes & ENDING)

    @property
    def pending_text(self) -> str:
        """Its pending_changes in words, the first to come true first."""
        return " ".join(change for change in PendingChange if change in self.pending_changes)

    def run_ended(self, now_ns: int) -> None:
        """After the last step of a run: done, or when the next one begins."""
        self.begun = self.run_due = False
        self.group = ""
        declared = self.declaration
        if declared.mode is Mode.ONCE or self.run == declared.runs:
            self.end(Phase.DONE)
        elif declared.mode is Mode.PERIODIC:
            self.phase = Phase.WAITING if declared.period_ms else Phase.READY
        else:
            self.phase = Phase.WAITING
        if self.phase is Phase.WAITING:
            self.wake(now_ns)

    def wake(self, now_ns: int) -> None:
        """From WAITING to READY, if its time or its trigger has come."""
        declared = self.declaration
        if self.phase is not Phase.WAITING:
            return
        if declared.mode is Mode.TRIGGERED and self.triggered:
            self.triggered = False
            self.phase, self.run_due = Phase.READY, True
        elif declared.mode is Mode.PERIODIC and now_ns >= self.due_ns:
            self.phase, self.run_due = Phase.READY, True

    def run_begins(self, now_ns: int) -> None:
        """The first setpoint of a run is planned: the next run is due a period after this one was."""
        self.run_due = False
        if self.begun:
            return
        self.begun = True
        period_ns = (self.declaration.period_ms or 0) * NS_PER_MS
        if period_ns:
            late = max(0, now_ns - self.due_ns) // period_ns if self.due_ns else 0
            self.missed += late
            self.due_ns = (self.due_ns + (late + 1) * period_ns) if self.due_ns else now_ns + period_ns

    def restart(self) -> None:
        """From the first step of its run."""
        self.attempt += 1
        self.step = 0
        self.outputs.clear()

    def end(self, phase: Phase, why: str = "") -> None:
        self.phase, self.why, self.begun, self.waits = phase, why, False, ""
        self.pending_changes.clear()
        self.asks_about_call = False

    def fail(self, why: str) -> None:
        """It has failed once its axes are at rest: this is kept, however they come to it."""
        if not self.ends:
            self.pending_changes.add(PendingChange.FAIL)
            self.why = why

    def ask(self, why: str, *, about_call: bool = False) -> None:
        self.phase, self.why, self.asks_about_call = Phase.ASKING, why, about_call

    def describe(self) -> dict[str, Any]:
        """For `status`."""
        declared = self.declaration
        final = self.phase in FINAL
        step = self.size if final and self.phase is Phase.DONE else self.step
        return {
            "id": self.id,
            "name": declared.name,
            "state": self.shown.value,
            "why": self.why or self.waits,
            "mode": declared.mode.value,
            "priority": declared.priority.value,
            "group": self.group or (self.runner.group_name if self.runner else ""),
            "run": self.run,
            "runs": declared.runs if declared.mode is not Mode.ONCE else 1,
            "step": step,
            "steps": self.size,
            "progress_percent": round(100 * step / self.size, 1),
            "doing": "" if final else self.action.describe(),
            "begun": self.begun,
            "missed_periods": self.missed,
            "stopping_for": self.pending_text,
        }
