"""One task under way on its axis group: its steps, cycle by cycle, ahead of what is played.

A stream of setpoints (setpoint_stream.py) has a runner for each task that takes part. The executor watches
its marks and its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto

from fieldstack.tasks.motion.group_motion import GroupMotion
from fieldstack.tasks.motion.job import Job, StepMark, StreamContext
from fieldstack.tasks.motion.trajectory import MotionState
from fieldstack.tasks.program.actions import Action, ExternalAction, MoveAction, Outputs
from fieldstack.tasks.program.program import Cursor


class RunnerEnd(Enum):
    """Why a runner has no more setpoints."""

    RUN_ENDED = auto()
    GAVE_WAY = auto()
    """At a step's boundary."""
    HALTED = auto()
    """It came to rest inside a step, which is not complete."""


class Runner:
    """Makes one state of its group's axes a cycle; None: they hold.

    Raises:
        MotionError: from `next_state`, if no way to rest can be planned.
    """

    def __init__(
        self, job: Job, context: StreamContext, positions: tuple[float, ...], outputs: Outputs
    ) -> None:
        """`positions`: where the group's axes stand, counts; `outputs` are set again when it begins."""
        self.job = job
        self.cursor = job.cursor
        self.marks: deque[StepMark] = deque()
        self.end: RunnerEnd | None = None
        self.ended_at = 0
        self._context = context
        self._motion = GroupMotion(job.group, job.limits, context, positions)
        self._external: ExternalAction | None = None
        self._give_way = False
        self._halting = False
        self._last_run = False
        self._resolved = False
        self._may_be_cut = False
        self._again = outputs
        self._states = self._run()

    @property
    def failure(self) -> str:
        """Why it ended at rest before a move that cannot be planned; empty: it did not."""
        return self._motion.failure

    @property
    def group_name(self) -> str:
        """Of the group that it runs on; empty: it moves nothing."""
        return self.job.group.name if self.job.group is not None else ""

    @property
    def waiting(self) -> ExternalAction | None:
        """The step that waits for the world, once all before it is played and until it is resolved."""
        return None if self._resolved or self.marks else self._external

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

    def halt(self) -> None:
        """Come to rest as quickly as the limits allow, and end there."""
        if self.end is None and not self._halting:
            self._halting = True
            self._external = None
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
            return self._motion.move(action)
        if isinstance(action, ExternalAction):
            return self._await_external(action)
        return self._stand(action)

    def _stand(self, action: Action) -> Iterator[None]:
        self._may_be_cut = action.can_be_cut
        for outputs, ms in action.phases:
            self._context.set(outputs)
            for _ in range(max(1, round(ms / 1000 / self._context.cycle_s))):
                yield None
        self._may_be_cut = False

    def _await_external(self, action: ExternalAction) -> Iterator[None]:
        self._external, self._resolved = action, False
        self._may_be_cut = action.can_be_cut
        yield None
        while not self._resolved:
            yield None
        self._external, self._may_be_cut = None, False

    def _come_to_rest(self) -> Iterator[MotionState]:
        yield from self._motion.come_to_rest()
        self._end(RunnerEnd.HALTED)
