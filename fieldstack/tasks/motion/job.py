"""What a runner gets: its job, what it shares with the others of its stream, and the marks that it leaves.

The assignment and the jogs make jobs. Runners keep the marks until they are played; the checkpoint has them.
"""

from __future__ import annotations

from dataclasses import dataclass

from fieldstack.tasks.motion.speed_override import SpeedOverride
from fieldstack.tasks.motion.trajectory import Limits
from fieldstack.tasks.program.actions import Outputs
from fieldstack.tasks.program.machine import Group, Signal
from fieldstack.tasks.program.program import Block, Cursor


@dataclass(frozen=True, slots=True)
class Job:
    """What a runner is to do. `limits`: of the group's axes, at the cell's speed.

    `loops`: the next run follows the last one without a gap, until it has to give way, at most up to `runs`.
    """

    task: str
    program: Block
    group: Group | None
    limits: tuple[Limits, ...]
    cursor: Cursor
    loops: bool = False
    runs: int | None = None
    hold_to_run: int = 0
    """Mask of axes that follow only while a person holds them."""


@dataclass(frozen=True, slots=True)
class StepMark:
    """All steps before `cursor` are complete once the setpoints before ring position `at` are played."""

    at: int
    cursor: Cursor


@dataclass(slots=True)
class StreamContext:
    """What all runners of a stream share. `head`: ring position of the setpoint that is made now."""

    head: int
    cycle_s: float
    speed_override: SpeedOverride
    image: int
    """Outputs of the slaves that are no axes, as one little-endian number."""
    signals: dict[str, Signal]
    """Outputs by name."""

    def set(self, outputs: Outputs) -> None:
        """From the next setpoint on these outputs have these values."""
        for name, value in outputs:
            self.image = self.signals[name].put(self.image, value)
