"""Feeds RT's setpoint ring: one stream after the other, each kept a little ahead of what is played.

The executor opens a stream, has it filled once a pass, ends it at rest, and closes it once RT has played or
given it up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fieldstack.tasks.motion.job import StreamContext
from fieldstack.tasks.motion.rt_facts import RtFacts
from fieldstack.tasks.motion.setpoint_stream import SetpointStream
from fieldstack.tasks.motion.speed_override import FULL, SpeedOverride
from fieldstack.tasks.motion.stream_control import OwnStream
from fieldstack.tasks.program.machine import Machine
from fieldstack_rt.datastore import SetpointRing

CHUNK = 20
"""Setpoints between two looks at who has which group, when many are made at once."""


@dataclass(slots=True)
class OpenStream:
    """A stream from its first setpoint until RT has played or given it up."""

    own: OwnStream
    setpoints: SetpointStream
    first: int
    """Ring position of the first setpoint."""
    by_hand: bool = False
    """Axes wait for a start: it is for a jog alone."""

    def end(self) -> None:
        """All motion in it comes to rest, and it ends there."""
        self.setpoints.stop()
        self.own = replace(self.own, ending=True)

    def is_played(self, facts: RtFacts) -> bool:
        """RT has taken it up."""
        return facts.stream == self.own.number


class StreamFeed:
    """`lead`: setpoints kept ahead of the one that is played."""

    def __init__(self, machine: Machine, ring: SetpointRing, override: SpeedOverride, lead: int) -> None:
        self._machine, self._ring, self._override, self._lead = machine, ring, override, lead
        self._current: OpenStream | None = None
        self._last_number = 0
        self._played_override = FULL

    @property
    def current(self) -> OpenStream | None:
        """The stream that is open; None: there is none."""
        return self._current

    @property
    def speed_override(self) -> int:
        """In effect in what is played, per mille."""
        return self._played_override

    def ask_speed_override(self, per_mille: int) -> None:
        """The override to go to; at once while no stream is open."""
        self._override.ask(per_mille)
        if self._current is None:
            self._override.value = self._override.wanted
            self._played_override = round(self._override.value * FULL)

    def note_played(self, tail: int) -> None:
        """RT has taken `tail` setpoints."""
        if self._current is not None:
            self._played_override = self._current.setpoints.speed_override_at(tail)

    def open(self, now_ns: int, facts: RtFacts, by_hand: int) -> OpenStream:
        """A new stream, from where the axes stand; `by_hand`: mask of the axes that it is for alone."""
        self._last_number = max(facts.stream, self._last_number) + 1
        context = StreamContext(
            head=self._ring.head,
            cycle_s=self._machine.cycle_s,
            speed_override=self._override,
            image=int.from_bytes(facts.outputs[: self._machine.output_bytes], "little"),
            signals=self._machine.outputs,
        )
        able = sum(1 << axis for axis in range(len(facts.axes)) if facts.holds(axis) and not by_hand)
        setpoints = SetpointStream(self._machine, context, facts.targets, able, by_hand=by_hand)
        own = OwnStream(self._last_number, facts.epoch, now_ns)
        self._current = OpenStream(own, setpoints, context.head, bool(by_hand))
        return self._current

    def close(self) -> None:
        """The stream is over."""
        self._current = None

    def fill(self, stream: OpenStream, assign: Callable[[], None]) -> None:
        """As many setpoints as are missing; `assign` says who has which group, before each part of them."""
        ring = self._ring
        wanted = min(self._lead - (ring.head - max(ring.tail, stream.first)), ring.free())
        while True:
            assign()
            self._push(stream, min(CHUNK, wanted))
            wanted -= CHUNK
            if wanted <= 0 or stream.setpoints.finished:
                return

    def _push(self, stream: OpenStream, count: int) -> None:
        for setpoint in stream.setpoints.take(max(0, count)):
            self._ring.push(
                stream.own.number,
                setpoint.positions,
                setpoint.velocities,
                setpoint.io,
                last=setpoint.last,
                axes=setpoint.axes,
                hold_to_run=setpoint.hold_to_run,
            )
