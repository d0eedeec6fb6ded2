"""One stream of setpoints: the motion of all running tasks, merged cycle by cycle, ending at rest.

The stream feed takes setpoints from it; the assignment and the jog feed begin motion in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from fieldstack.tasks.motion.job import Job, StreamContext
from fieldstack.tasks.motion.runner import Runner
from fieldstack.tasks.motion.speed_override import FULL
from fieldstack.tasks.program.actions import Outputs
from fieldstack.tasks.program.machine import Group, Machine


@dataclass(frozen=True, slots=True)
class Setpoint:
    """What one cycle plays: counts, counts/s, output bytes of the slaves that are no axes.

    `axes`: mask of those that this setpoint commands; the others hold. `hold_to_run`: of those that
    a person has to hold.
    """

    positions: tuple[int, ...]
    velocities: tuple[int, ...]
    io: bytes
    axes: int
    last: bool = False
    hold_to_run: int = 0


class SetpointStream:
    """Setpoints of one stream from rest at `start` on, the first of them `start` itself."""

    def __init__(
        self, machine: Machine, context: StreamContext, start: Sequence[int], able: int, *, by_hand: int = 0
    ) -> None:
        """`able`: mask of the axes that hold, and can follow from the first setpoint on.

        `by_hand`: the stream is for these alone, that a person has to hold; each of its setpoints says so.
        """
        self._machine = machine
        self._context = context
        self._able, self._by_hand = able, by_hand
        self._positions = list(start)
        self._velocities = [0] * len(self._positions)
        self._runners: list[Runner] = []
        self._ending = False
        self._begun = False
        self._override_changes: deque[tuple[int, float]] = deque()
        self._played_speed_override = context.speed_override.value
        self.finished = False
        """The setpoint that ends the stream has been taken."""

    @property
    def runners(self) -> tuple[Runner, ...]:
        """Those that still make setpoints."""
        return tuple(self._runners)

    @property
    def head(self) -> int:
        """Ring position of the setpoint that is made next."""
        return self._context.head

    def begin(self, job: Job, outputs: Outputs) -> Runner:
        """A task joins from the next setpoint on; `outputs` are set again with it."""
        numbers = job.group.numbers if job.group else ()
        start = tuple(float(self._positions[number]) for number in numbers)
        runner = Runner(job, self._context, start, outputs)
        self._runners.append(runner)
        return runner

    def drop(self, runner: Runner) -> None:
        """Its axes stopped by themselves: nothing more is made of it."""
        if runner in self._runners:
            self._runners.remove(runner)

    def hold_at(self, group: Group, targets: Sequence[int]) -> None:
        """Axes that were stopped from outside hold there now."""
        for number in group.numbers:
            self._positions[number], self._velocities[number] = targets[number], 0

    def stop(self) -> None:
        """All tasks come to rest, as quickly as their limits allow, and the stream ends there."""
        self._ending = True
        for runner in self._runners:
            runner.halt()

    def take(self, count: int) -> list[Setpoint]:
        """The next `count` setpoints; fewer only if the stream ends among them."""
        taken: list[Setpoint] = []
        while len(taken) < count and not self.finished:
            taken.append(self._next())
            self._context.head += 1
        return taken

    def speed_override_at(self, tail: int) -> int:
        """The speed override, per mille, that is in effect with `tail` setpoints played."""
        while self._override_changes and self._override_changes[0][0] <= tail:
            self._played_speed_override = self._override_changes.popleft()[1]
        return round(self._played_speed_override * FULL)

    # ---- inside ----

    def _next(self) -> Setpoint:
        if not self._begun:
            self._begun = True
            return self._setpoint(self._able, hold_to_run=self._by_hand)
        self._advance_speed_override()
        axes, hold = 0, self._by_hand
        for runner in tuple(self._runners):
            axes |= self._advance(runner)
            hold |= runner.job.hold_to_run
        last = self._ending and not self._runners
        self.finished = last
        return self._setpoint(axes, last=last, hold_to_run=hold)

    def _advance_speed_override(self) -> None:
        override = self._context.speed_override
        if override.value != override.wanted:
            override.advance()
            self._override_changes.append((self._context.head, override.value))

    def _advance(self, runner: Runner) -> int:
        """One state on; returns the mask of the axes that it commands."""
        state = runner.next_state()
        group = runner.job.group
        if runner.end is not None:
            self._runners.remove(runner)
        if group is None:
            return 0
        if state is not None:
            positions, velocities = self._positions, self._velocities
            for number, position, velocity in zip(group.numbers, state.position, state.velocity, strict=True):
                positions[number] = round(position)
                velocities[number] = round(velocity)
        else:
            for number in group.numbers:
                self._velocities[number] = 0
        return runner.job.hold_to_run or group.mask

    def _setpoint(self, axes: int, *, last: bool = False, hold_to_run: int = 0) -> Setpoint:
        io = self._context.image.to_bytes(self._machine.output_bytes, "little")
        return Setpoint(tuple(self._positions), tuple(self._velocities), io, axes, last, hold_to_run)
