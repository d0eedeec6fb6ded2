"""One stream of setpoints: the program's moves sampled at the cycle time, ending at rest on request."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fieldstack.core.motion import MotionState, Move, plan_move, plan_stop
from fieldstack.core.program import DemoProgram


@dataclass(frozen=True, slots=True)
class Setpoint:
    """What one cycle plays: counts, counts/s, output bytes of the slaves that are no axes."""

    positions: tuple[int, ...]
    velocities: tuple[int, ...]
    io: bytes
    last: bool = False


class SetpointStream:
    """Setpoints of one stream from rest at `start` on, the first of them `start` itself.

    Raises:
        MotionError: from `take`, if a move can not be planned.
    """

    def __init__(self, program: DemoProgram, start: Sequence[int], step: int) -> None:
        self._program = program
        self._state = MotionState.at_rest(start)
        self._io = program.outputs(step, 0.0)
        self._taken = 0
        self._stopping = False
        self._boundaries: deque[tuple[int, int]] = deque()
        self._step = step
        self._setpoints = self._run(step)
        self.finished = False
        """The setpoint that ends the stream has been taken."""

    def take(self, count: int) -> list[Setpoint]:
        """The next `count` setpoints; fewer only if the stream ends among them."""
        taken: list[Setpoint] = []
        while len(taken) < count and not self.finished:
            setpoint = next(self._setpoints)
            taken.append(setpoint)
            self._taken += 1
            self.finished = setpoint.last
        return taken

    def stop(self) -> None:
        """Come to rest as quickly as the limits allow, from the last setpoint taken on, and end there."""
        if not self._stopping and not self.finished:
            self._stopping = True
            self._setpoints = self._come_to_rest()

    def step_at(self, played: int) -> int:
        """The program's step that is under way when `played` setpoints of this stream have been played.

        `played` must not go back from call to call.
        """
        while self._boundaries and self._boundaries[0][0] <= played:
            self._step = self._boundaries.popleft()[1]
        return self._step

    def _run(self, step: int) -> Iterator[Setpoint]:
        yield self._setpoint()
        while True:
            program = self._program
            move = plan_move(self._state, program.target(step), program.limits, program.cycle_s)
            yield from self._play(move, step)
            self._state = MotionState.at_rest(program.target(step))
            for _ in range(program.dwell_cycles):
                yield self._setpoint()
            step += 1
            self._boundaries.append((self._taken + 1, step))

    def _play(self, move: Move, step: int) -> Iterator[Setpoint]:
        for number in range(1, move.samples + 1):
            self._state = move.sample(number)
            self._io = self._program.outputs(step, number / move.samples)
            yield self._setpoint()

    def _come_to_rest(self) -> Iterator[Setpoint]:
        move = plan_stop(self._state, self._program.limits, self._program.cycle_s)
        for number in range(1, move.samples + 1):
            self._state = move.sample(number)
            yield self._setpoint()
        self._state = MotionState.at_rest(self._state.position)
        yield self._setpoint(last=True)

    def _setpoint(self, last: bool = False) -> Setpoint:
        state = self._state
        positions = tuple([round(value) for value in state.position])
        velocities = tuple([round(value) for value in state.velocity])
        return Setpoint(positions, velocities, self._io, last)
