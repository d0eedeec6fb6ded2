"""When a stream of setpoints begins, is fed and is given up: a pure function of what RT says.

The executor asks it once a pass. The cycle plays a stream only while nothing stops the axes. A stream that RT
ended for any reason is never taken up again: a new one, with a higher id, begins from where the axes stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from fieldstack.tasks.motion.rt_facts import CLEARED_BY_NEW_STREAM, RtFacts
from fieldstack_rt.datastore.layout import RtPhase, StreamState
from fieldstack_rt.datastore.number_texts import refusal_text

ACCEPT_TIMEOUT_NS = 1_000_000_000
"""A stream that RT has not taken up within this time is given up."""
BACKOFF_NS = 200_000_000
"""Time between giving up a stream and beginning the next."""


@dataclass(frozen=True, slots=True)
class OwnStream:
    """The stream that Core feeds at present."""

    number: int
    epoch: int
    begun_ns: int
    ending: bool = False


class StreamAction(Enum):
    """What to do with the stream now."""

    WAIT = auto()
    """None is open, and none can begin."""
    BEGIN = auto()
    FEED = auto()
    ENDED = auto()
    """It came to its planned end at rest."""
    GIVE_UP = auto()
    """RT stopped it, or has not taken it up."""


@dataclass(frozen=True, slots=True)
class StreamRefusal:
    """Why RT did not play a stream that nothing else stopped; `axis`: its number; None: no single one."""

    subject: str
    why: str
    axis: int | None = None


def refusal(facts: RtFacts, own: OwnStream) -> StreamRefusal | None:
    """Of a stream that is given up; None: something stopped the axes, and is reported as such."""
    if facts.epoch != own.epoch or facts.phase is not RtPhase.CYCLING:
        return None
    if facts.stream != own.number:
        taken = facts.permit and facts.stop in CLEARED_BY_NEW_STREAM
        return (
            StreamRefusal("fieldstack-rt", "does not take up the setpoints that are planned")
            if taken
            else None
        )
    if facts.stream_state is StreamState.REFUSED:
        return StreamRefusal("", refusal_text(facts.refusal), facts.refused_axis)
    if facts.stream_state is StreamState.UNDERRUN:
        return StreamRefusal("fieldstack-core", "does not plan quickly enough: the setpoints ran dry")
    return None


def decide_stream(
    now_ns: int, facts: RtFacts, own: OwnStream | None, given_up_ns: int | None, *, by_hand: bool = False
) -> StreamAction:
    """What to do now; `given_up_ns` is when the last stream was given up, None if none was.

    `by_hand`: a person holds an axis.
    """
    if own is None:
        backing_off = given_up_ns is not None and now_ns - given_up_ns < BACKOFF_NS
        ready = facts.ready or (by_hand and facts.ready_to_jog)
        return StreamAction.BEGIN if ready and not backing_off else StreamAction.WAIT
    if facts.epoch != own.epoch or facts.phase is not RtPhase.CYCLING:
        return StreamAction.GIVE_UP
    if facts.stream != own.number:
        stale = now_ns - own.begun_ns > ACCEPT_TIMEOUT_NS or not facts.permit
        return StreamAction.GIVE_UP if stale else StreamAction.FEED
    if facts.stream_state is StreamState.PLAYING:
        return StreamAction.FEED
    if facts.stream_state is StreamState.ENDED and own.ending:
        return StreamAction.ENDED
    return StreamAction.GIVE_UP
