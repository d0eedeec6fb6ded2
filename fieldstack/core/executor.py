"""TaskExecutor: runs the motion program by keeping RT's setpoint ring filled a little ahead.

Time is an argument; the store is the only thing outside that it touches.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from fieldstack.core.program import DemoProgram
from fieldstack.core.protocol import OwnStream, RtFacts, Verdict, judge
from fieldstack.core.setpoint_stream import SetpointStream
from fieldstack.core.task_state import TaskState
from fieldstack_rt.datastore import SetpointRing
from fieldstack_rt.datastore.layout import AxisMode, CoreState, RtPhase, Stop, StreamState

MAX_AXES = 64


@dataclass(slots=True)
class _Feed:
    own: OwnStream
    setpoints: SetpointStream
    first: int
    """Ring position of the stream's first setpoint."""


class TaskExecutor:
    """Feeds one stream after the other; `task` is what a checkpoint keeps.

    `lead` is the number of setpoints kept ahead of the one that is played.
    """

    def __init__(self, program: DemoProgram, ring: SetpointRing, task: TaskState, lead: int) -> None:
        self.task = task
        self._program = program
        self._ring = ring
        self._lead = lead
        self._feed: _Feed | None = None
        self._given_up_ns: int | None = None
        self._last_stream = 0
        self._stopping = False

    @property
    def state(self) -> CoreState:
        if self._feed is not None:
            return CoreState.MOVING
        return CoreState.STOPPED if self._stopping else CoreState.WAITING

    @property
    def stopped(self) -> bool:
        """A stop was asked for and no stream is open any more."""
        return self._stopping and self._feed is None

    def stop(self) -> None:
        """Bring the open stream to rest and begin no other."""
        self._stopping = True
        if self._feed is not None:
            self._feed.setpoints.stop()
            own = self._feed.own
            self._feed.own = OwnStream(own.number, own.epoch, own.begun_ns, ending=True)

    def step(self, now_ns: int, facts: RtFacts) -> Verdict:
        """One pass: judge RT's facts and act on them. Returns the verdict that was acted on.

        Raises:
            MotionError: the program asks for a move that can not be planned.
        """
        feed = self._feed
        verdict = judge(now_ns, facts, feed.own if feed else None, self._given_up_ns)
        if feed is not None:
            self._note_progress(feed, facts)
        if verdict is Verdict.BEGIN and not self._stopping:
            self._begin(now_ns, facts)
        elif verdict is Verdict.FEED and feed is not None:
            self._fill(feed)
        elif verdict in (Verdict.ENDED, Verdict.GIVE_UP):
            self._feed = None
            self._given_up_ns = now_ns
        return verdict

    def _begin(self, now_ns: int, facts: RtFacts) -> None:
        number = max(facts.stream, self._last_stream) + 1
        self._last_stream = number
        self._feed = _Feed(
            own=OwnStream(number, facts.epoch, now_ns),
            setpoints=SetpointStream(self._program, facts.targets, self.task.step),
            first=self._ring.head,
        )
        self._fill(self._feed)

    def _fill(self, feed: _Feed) -> None:
        ring, number = self._ring, feed.own.number
        wanted = min(self._lead - (ring.head - max(ring.tail, feed.first)), ring.free())
        for setpoint in feed.setpoints.take(max(0, wanted)):
            ring.push(number, setpoint.positions, setpoint.velocities, setpoint.io, last=setpoint.last)

    def _note_progress(self, feed: _Feed, facts: RtFacts) -> None:
        if facts.stream == feed.own.number:
            step = feed.setpoints.step_at(max(0, facts.tail - feed.first))
            self.task = TaskState(self.task.program, step)


def rt_facts(record: Any, *, phase: RtPhase, permit: bool) -> RtFacts:
    """Facts from an `fs_rt_status` record and the two words beside it.

    A number that no RT process writes (damaged memory) reads as one that lets nothing begin.
    """
    axes = [record.axes[number] for number in range(min(record.axis_count, MAX_AXES))]
    return RtFacts(
        phase=phase,
        epoch=record.epoch,
        stop=_known(Stop, record.stop_reason, Stop.NOT_ENABLED),
        permit=permit,
        stream=record.stream,
        stream_state=_known(StreamState, record.stream_state, StreamState.BROKEN),
        tail=record.setpoint_tail,
        axes=tuple(_known(AxisMode, axis.state, AxisMode.DISABLED) for axis in axes),
        targets=tuple(axis.target for axis in axes),
    )


_Kind = TypeVar("_Kind", bound=IntEnum)


def _known(kind: type[_Kind], value: int, otherwise: _Kind) -> _Kind:
    try:
        return kind(value)
    except ValueError:
        return otherwise
