"""A jog in the stream: it begins where its axis stands, and what is left of a cut one is not played.

The executor asks it in each pass, and before each part of the setpoints.
"""

from __future__ import annotations

from fieldstack.tasks.motion.rt_facts import RtFacts
from fieldstack.tasks.motion.runner import RunnerEnd
from fieldstack.tasks.motion.setpoint_stream import SetpointStream
from fieldstack.tasks.program.machine import Group
from fieldstack.tasks.run.jogging import Jogging
from fieldstack_rt.datastore.layout import AxisMode

FOLLOWS = (AxisMode.HOLDING, AxisMode.FOLLOWING)


class JogFeed:
    """Between a person's jog and the stream that is open, if one is."""

    def __init__(self, jogging: Jogging) -> None:
        self._jogging = jogging
        self._leaving: tuple[Group, int] | None = None
        """Its jog was cut; up to this ring position setpoints of it are left that RT does not play."""
        self._ready = False

    @property
    def group(self) -> Group | None:
        """Of the jog that is held."""
        jog = self._jogging.active
        return jog.job.group if jog is not None else None

    def update(self, facts: RtFacts, stream: SetpointStream | None) -> frozenset[str]:
        """Once a pass. The group that is not back yet from a jog that ended early."""
        away = self._cut(facts, stream)
        self._ready = self._well(facts) and self._leaving is None
        return away

    def begin(self, stream: SetpointStream) -> None:
        """Join the stream, if there is a jog that does not take part in it yet, and its axis can follow."""
        jog = self._jogging.active
        if jog is not None and jog.runner is None and self._ready:
            jog.runner = stream.begin(jog.job, ())

    def stopped(self, facts: RtFacts) -> None:
        """End it if its axes do not follow any more."""
        if self._plays and not self._well(facts):
            self._jogging.end("the axis was stopped; `fieldstack-rt status --once` says why")

    def played(self, facts: RtFacts) -> None:
        """End it once its last setpoint was played."""
        jog = self._jogging.active
        runner = jog.runner if jog is not None else None
        if runner is not None and runner.end is not None and runner.ended_at <= facts.tail:
            reached = runner.end is RunnerEnd.RUN_ENDED
            self._jogging.end("at its limit" if reached else runner.failure, reached=reached)

    def dropped(self, why: str) -> None:
        """The stream is over."""
        if self._plays:
            self._jogging.end(why or "let go")

    @property
    def _plays(self) -> bool:
        jog = self._jogging.active
        return jog is not None and jog.runner is not None

    def _well(self, facts: RtFacts) -> bool:
        """Its group follows, or would; a wait for a start is none for it."""
        group = self.group
        return group is not None and all(facts.can_jog(number, FOLLOWS) for number in group.numbers)

    def _cut(self, facts: RtFacts, stream: SetpointStream | None) -> frozenset[str]:
        """Take what is left of a jog that ended early out of the stream."""
        jog = self._jogging.last
        if stream is None:
            self._leaving = None
        elif jog is not None and jog.ended and jog.runner is not None:
            stream.drop(jog.runner)
            jog.runner = None
            if not jog.reached and jog.job.group:
                self._leaving = (jog.job.group, stream.head)
        if self._leaving is None or stream is None:
            return frozenset()
        group, until = self._leaving
        stream.hold_at(group, facts.targets)
        if facts.tail >= until:
            self._leaving = None
        return frozenset({group.name})
