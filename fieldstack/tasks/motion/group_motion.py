"""The motion of one axis group, cycle by cycle: a move, or the way to rest. Its runner asks for it.

Plans come from trajectory.py; the speed override changes how quickly their time passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from fieldstack.tasks.motion.job import StreamContext
from fieldstack.tasks.motion.trajectory import Limits, MotionError, MotionState, Move, plan_move, plan_stop
from fieldstack.tasks.program.actions import MoveAction
from fieldstack.tasks.program.machine import Group

SLOW_SHARE = 0.95
"""Of the jog velocity, for axes beyond a limit: RT refuses what is faster."""


class GroupMotion:
    """`group` None: there are no axes, and moves take no time. `limits`: of its axes, at the cell's speed.

    A move that cannot be planned leaves the group at rest, with `failure`.
    """

    def __init__(
        self,
        group: Group | None,
        limits: tuple[Limits, ...],
        context: StreamContext,
        positions: tuple[float, ...],
    ) -> None:
        self._group, self._limits, self._context = group, limits, context
        self._state = MotionState.at_rest(positions)
        self._moving = False
        self.failure = ""
        """Why a move could not be planned, for people."""

    def move(self, action: MoveAction) -> Iterator[MotionState]:
        """From rest to rest at the targets; the outputs of the action change on the way."""
        group, context = self._group, self._context
        if group is None:
            return
        yield from self._return_inside_limits(group, action)
        if self.failure:
            return
        target = [
            here if to is None else to * axis.counts_per_unit
            for to, here, axis in zip(action.targets, self._state.position, group.axes, strict=True)
        ]
        plan = self._plan(target, [limit.slower(action.speed) for limit in self._limits])
        if plan is None:
            return
        switches = deque(action.switches)
        self._moving = True
        for state, progress in self._at_speed_override(plan):
            while switches and switches[0][0] <= progress:
                context.set(switches.popleft()[1])
            self._state = state
            yield state
        for _, outputs in switches:
            context.set(outputs)
        self._state = MotionState.at_rest(target)
        self._moving = False

    def come_to_rest(self) -> Iterator[MotionState]:
        """As quickly as the limits allow; one state at least.

        Raises:
            MotionError: no way to rest can be planned.
        """
        if self._moving:
            plan = plan_stop(self._state, self._limits, self._context.cycle_s)
            for number in range(1, plan.samples + 1):
                self._state = plan.sample(number)
                yield self._state
            self._state = MotionState.at_rest(self._state.position)
            self._moving = False
        yield self._state

    def _return_inside_limits(self, group: Group, action: MoveAction) -> Iterator[MotionState]:
        """Axes that the move takes into their range from beyond come to its end first, slowly."""
        limits, target = list(self._limits), list(self._state.position)
        for place, (axis, to) in enumerate(zip(group.axes, action.targets, strict=True)):
            slow, at = axis.jog_counts_s * SLOW_SHARE, target[place]
            end = min(max(at, axis.position_min_counts), axis.position_max_counts)
            if to is not None and at != end and limits[place].velocity > slow:
                target[place], limits[place] = end, limits[place].at_most(slow)
        plan = self._plan(target, limits) if tuple(target) != self._state.position else None
        if plan is None:
            return
        self._moving = True
        for state, _ in self._at_speed_override(plan):
            self._state = state
            yield state
        self._state = MotionState.at_rest(target)
        self._moving = False

    def _plan(self, target: Sequence[float], limits: Sequence[Limits]) -> Move | None:
        """None: there is none; `failure` says why."""
        try:
            return plan_move(self._state, target, limits, self._context.cycle_s)
        except MotionError as error:
            self.failure = str(error)
            return None

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
