"""One task under way on its axis group: cycle by cycle, ahead of what is played."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from fieldstack.tasks.motion.speed_override import SpeedOverride
from fieldstack.tasks.motion.trajectory import Limits, MotionError, MotionState, Move, plan_move, plan_stop
from fieldstack.tasks.program.machine import Group, Signal
from fieldstack.tasks.program.program import (
    Action,
    Block,
    CallAction,
    Cursor,
    InputAction,
    MoveAction,
    OutputAction,
    Outputs,
    WaitAction,
)

SLOW_SHARE = 0.95
"""Of the jog velocity, for axes beyond a limit: RT refuses what is faster."""


class RunnerEnd(Enum):
    """Why a runner has no more setpoints."""

    RUN_ENDED = auto()
    GAVE_WAY = auto()
    """At a step's boundary."""
    HALTED = auto()
    """It came to rest inside a step, which is not complete."""


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
    outputs: dict[str, Signal]

    def set(self, outputs: Outputs) -> None:
        for name, value in outputs:
            self.image = self.outputs[name].put(self.image, value)


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


class Runner:
    """Makes one state of its group's axes a cycle; None: they hold.

    A move that can not be planned ends it at rest, with `failure`.

    Raises:
        MotionError: from `next_state`, if no way to rest can be planned.
    """

    def __init__(
        self, job: Job, context: StreamContext, positions: tuple[float, ...], outputs: Outputs
    ) -> None:
        self.job = job
        self.cursor = job.cursor
        self.marks: deque[StepMark] = deque()
        self.external: InputAction | CallAction | None = None
        """The step that waits for the world, when it is one."""
        self.end: RunnerEnd | None = None
        self.ended_at = 0
        self.failure = ""
        self.moving = False
        self._context = context
        self._state = MotionState.at_rest(positions)
        self._give_way = False
        self._halting = False
        self._last_run = False
        self._resolved = False
        self._may_be_cut = False
        self._again = outputs
        self._states = self._run()

    def next_state(self) -> MotionState | None:
        """The state for the setpoint at the context's head; also None when it is over."""
        if self.end is not None:
            return None
        return next(self._states, None)

    def give_way(self) -> None:
        """End at the next step's boundary; a step that only waits is cut."""
        self._give_way = True
        if self._may_be_cut:
            self.halt()

    def end_with_run(self) -> None:
        """No further run follows the present one."""
        self._last_run = True

    @property
    def waiting(self) -> InputAction | CallAction | None:
        """The step that waits for the world, once all before it is played and until it is resolved."""
        return None if self._resolved or self.marks else self.external

    def halt(self) -> None:
        """Come to rest as quickly as the limits allow, and end there."""
        if self.end is None and not self._halting:
            self._halting = True
            self.external = None
            self._states = self._come_to_rest()

    def resolve(self) -> None:
        """The step that waits for the world is complete."""
        self._resolved = True

    def committed(self, tail: int) -> Cursor | None:
        """The last cursor that has come true with `tail` setpoints played; None: none since the last call."""
        found = None
        while self.marks and self.marks[0].at <= tail:
            found = self.marks.popleft().cursor
        return found

    # ---- inside ----

    def _run(self) -> Iterator[MotionState | None]:
        self._context.set(self._again)
        size, loops, runs = self.job.program.size, self.job.loops, self.job.runs
        while True:
            run, step = self.cursor
            yield from self._perform(self.job.program.at(step))
            if self.failure:
                return self._end(RunnerEnd.HALTED)
            ended = step + 1 >= size
            self.cursor = (run + 1, 0) if ended else (run, step + 1)
            self.marks.append(StepMark(self._context.head, self.cursor))
            if ended and (not loops or run + 1 == runs or self._give_way or self._last_run):
                return self._end(RunnerEnd.RUN_ENDED)
            if self._give_way:
                return self._end(RunnerEnd.GAVE_WAY)

    def _end(self, why: RunnerEnd) -> None:
        self.end = why
        self.ended_at = self._context.head

    def _perform(self, action: Action) -> Iterator[MotionState | None]:
        if isinstance(action, MoveAction):
            yield from self._move(action)
        elif isinstance(action, WaitAction):
            yield from self._wait(max(1, round(action.ms / 1000 / self._context.cycle_s)))
        elif isinstance(action, OutputAction):
            self._context.set(action.outputs)
            yield None
        else:
            yield from self._await_external(action)

    def _move(self, action: MoveAction) -> Iterator[MotionState]:
        job, context = self.job, self._context
        if job.group is None:
            return
        yield from self._return_inside_limits(job.group, action)
        if self.failure:
            return
        target = [
            here if to is None else to * axis.counts_per_unit
            for to, here, axis in zip(action.targets, self._state.position, job.group.axes, strict=True)
        ]
        plan = self._plan(target, [limit.slower(action.speed) for limit in job.limits])
        if plan is None:
            return
        switches = deque(action.switches)
        self.moving = True
        for state, progress in self._at_speed_override(plan):
            while switches and switches[0][0] <= progress:
                context.set(switches.popleft()[1])
            self._state = state
            yield state
        for _, outputs in switches:
            context.set(outputs)
        self._state = MotionState.at_rest(target)
        self.moving = False

    def _plan(self, target: Sequence[float], limits: Sequence[Limits]) -> Move | None:
        """None: there is none; `failure` says why."""
        try:
            return plan_move(self._state, target, limits, self._context.cycle_s)
        except MotionError as error:
            self.failure = str(error)
            return None

    def _return_inside_limits(self, group: Group, action: MoveAction) -> Iterator[MotionState]:
        """Axes that the move takes into their range from beyond come to its end first, slowly."""
        limits, target = list(self.job.limits), list(self._state.position)
        for place, (axis, to) in enumerate(zip(group.axes, action.targets, strict=True)):
            slow, at = axis.jog_counts_s * SLOW_SHARE, target[place]
            end = min(max(at, axis.position_min_counts), axis.position_max_counts)
            if to is not None and at != end and limits[place].velocity > slow:
                target[place], limits[place] = end, limits[place].at_most(slow)
        plan = self._plan(target, limits) if tuple(target) != self._state.position else None
        if plan is None:
            return
        self.moving = True
        for state, _ in self._at_speed_override(plan):
            self._state = state
            yield state
        self._state = MotionState.at_rest(target)
        self.moving = False

    def _at_speed_override(self, plan: Move) -> Iterator[tuple[MotionState, float]]:
        """The plan's states with the override as it is in each cycle, and how much of its time has passed."""
        passed_s, override, cycle_s = 0.0, self._context.speed_override, self._context.cycle_s
        duration_s = plan.duration_s
        while passed_s < duration_s:
            passed_s += cycle_s * override.value
            done = min(1.0, passed_s / duration_s) if duration_s else 1.0
            yield plan.at(passed_s, override.value), done
        if duration_s == 0:
            yield plan.at(0.0), 1.0

    def _wait(self, cycles: int) -> Iterator[None]:
        self._may_be_cut = True
        for _ in range(cycles):
            yield None
        self._may_be_cut = False

    def _await_external(self, action: InputAction | CallAction) -> Iterator[None]:
        self.external, self._resolved = action, False
        self._may_be_cut = isinstance(action, InputAction)
        yield None
        while not self._resolved:
            yield None
        self.external, self._may_be_cut = None, False

    def _come_to_rest(self) -> Iterator[MotionState]:
        if self.moving and self.job.group is not None:
            plan = plan_stop(self._state, self.job.limits, self._context.cycle_s)
            for number in range(1, plan.samples + 1):
                self._state = plan.sample(number)
                yield self._state
            self._state = MotionState.at_rest(self._state.position)
            self.moving = False
        yield self._state
        self._end(RunnerEnd.HALTED)
