"""A task as people declare it, in YAML or JSON: what to do, when, with what, and what after a crash.

Task files and the task store are read with these models. Their JSON Schema is published as
`config/task.schema.json`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from fieldstack.tasks.program.declaration_checks import find_conflicts
from fieldstack_base.configuration_error import CROSS_CHECK
from fieldstack_base.section import Section

TaskId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Percent = Annotated[float, Field(strict=False, gt=0, le=100)]
MAX_MS = 86_400_000


class Mode(StrEnum):
    """When a task runs: once, again and again, or at each trigger."""

    ONCE = "ONCE"
    PERIODIC = "PERIODIC"
    TRIGGERED = "TRIGGERED"


class Priority(StrEnum):
    """Which task goes first where several want the same axis group; the first is the highest."""

    EMERGENCY_STOP = "EMERGENCY_STOP"
    SAFETY_ISSUE = "SAFETY_ISSUE"
    URGENT_TASK = "URGENT_TASK"
    NORMAL_TASK = "NORMAL_TASK"
    MAINTENANCE = "MAINTENANCE"

    @property
    def rank(self) -> int:
        """0 for the highest."""
        return list(Priority).index(self)


class OnCrash(StrEnum):
    """What a task that was under way does when the Main Core process comes back from a crash."""

    GO_ON = "go_on"
    RESTART = "restart"
    ASK = "ask"


class OnResourceLost(StrEnum):
    """What a task does when its axis group fails: go on or start again on another one, or fail."""

    MOVE_RESUME = "move_resume"
    MOVE_RESTART = "move_restart"
    FAIL = "fail"


class Edge(StrEnum):
    RISING = "rising"
    FALLING = "falling"


class Trigger(Section):
    """What begins a run of a TRIGGERED task: exactly one of the three."""

    input: Name | None = Field(default=None, description="A digital input, NAME or SLAVE.NAME.")
    edge: Edge = Field(default=Edge.RISING, strict=False, description="Which change of the input counts.")
    after: TaskId | None = Field(default=None, description="Another task: each of its runs that ends well.")
    operator: bool = Field(default=False, description="`fieldstack task trigger ID`.")


class Needs(Section):
    """The axis group that a task moves: one by name, or any one with a capability."""

    group: Name | None = None
    capability: Name | None = None


class Switch(Section):
    """Outputs that change while a move is under way."""

    at_percent: float = Field(strict=False, ge=0, le=100, description="Of the move's time.")
    set_output: dict[Name, bool | int] = Field(min_length=1)


class Move(Section):
    """Axes of the task's group go to these positions and arrive together; others of the group stay."""

    model_config = ConfigDict(allow_inf_nan=True)  # the compiler refuses it, and names the axis

    to: dict[Name, float] | list[float | None] = Field(
        min_length=1,
        description="Positions in the axes' user units: by axis name, or in the order of the group "
        "(null: this one stays).",
    )
    speed_percent: Percent = Field(default=100.0, description="Of the cell's speed.")
    switch: tuple[Switch, ...] = Field(default=(), strict=False, max_length=64)


class Wait(Section):
    ms: int = Field(ge=1, le=MAX_MS)


class WaitInput(Section):
    """Until a digital input has this value."""

    input: Name
    value: bool = True
    timeout_ms: int | None = Field(
        default=None, ge=1, le=MAX_MS, description="After it the task fails; default: it waits for ever."
    )


class Call(Section):
    """A Python function that the cell's configuration names (`core.calls`), run in a thread of its own."""

    name: Name
    arguments: dict[str, Any] = Field(default={}, description="Keyword arguments.")
    timeout_ms: int | None = Field(default=None, ge=1, le=MAX_MS, description="Default: the configuration's.")
    repeatable: bool = Field(
        default=False,
        description="Doing it twice is harmless: after a crash it may run again without asking.",
    )


class Repeat(Section):
    times: int = Field(ge=1, le=1_000_000)
    steps: tuple[Step, ...] = Field(min_length=1, strict=False)


class Step(Section):
    """One step: exactly one of these keys."""

    move: Move | None = None
    wait: Wait | None = None
    set_output: dict[Name, bool | int] | None = Field(default=None, min_length=1)
    wait_input: WaitInput | None = None
    call: Call | None = None
    sequence: tuple[Step, ...] | None = Field(default=None, min_length=1, strict=False)
    repeat: Repeat | None = None

    @property
    def kind(self) -> str:
        """The key that is there; "" if none is."""
        return next((key for key in STEP_KINDS if getattr(self, key) is not None), "")


Repeat.model_rebuild()
STEP_KINDS = tuple(Step.model_fields)


class TaskDeclaration(Section):
    """A task. `steps` are done in order; each is one unit of what a checkpoint keeps."""

    id: TaskId = Field(description="What commands call it: lower-case letters, digits and '-'.")
    name: str = Field(default="", max_length=80, description="For people.")
    mode: Mode = Field(default=Mode.ONCE, strict=False)
    period_ms: int | None = Field(
        default=None,
        ge=0,
        le=MAX_MS,
        description="PERIODIC: from start to start; 0: one run after the other.",
    )
    trigger: Trigger | None = Field(default=None, description="TRIGGERED: what begins a run.")
    runs: int | None = Field(
        default=None, ge=1, description="PERIODIC, TRIGGERED: done after so many runs; default: never."
    )
    priority: Priority = Field(default=Priority.NORMAL_TASK, strict=False)
    needs: Needs | None = Field(
        default=None, description="The axis group; without it the task moves nothing."
    )
    on_crash: OnCrash = Field(default=OnCrash.ASK, strict=False)
    on_resource_lost: OnResourceLost = Field(default=OnResourceLost.FAIL, strict=False)
    steps: tuple[Step, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> TaskDeclaration:
        findings = tuple(find_conflicts(self))
        if findings:
            raise PydanticCustomError(CROSS_CHECK, "parts of the task contradict", {"of": findings})
        return self
