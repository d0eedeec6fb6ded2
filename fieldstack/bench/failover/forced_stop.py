"""Says when a drive that ignored a stop lost power and came to rest, by the segment's own time stamps.

`incident` measures with it.
"""

from __future__ import annotations

from collections.abc import Iterable

from fieldstack_ethercat.drives.cia402 import state_of
from fieldstack_ethercat.segment.truth import EventKind, MotionSample, SlaveEvent

POWERED_BIT = 0x0004
"""States of the statusword (CiA 402, 0x6041): Operation enabled, Quick stop active, Fault reaction active."""
REST_COUNTS_S = 1000.0


def power_off_ns(events: Iterable[SlaveEvent], since_ns: int) -> int | None:
    """When the drive first had no power from `since_ns` on, CLOCK_MONOTONIC; None: it kept its power."""
    times = [
        event.t_ns
        for event in events
        if event.kind is EventKind.DRIVE_STATE and event.t_ns >= since_ns and not state_of(event.a).power_on
    ]
    return min(times, default=None)


def standing_ns(samples: Iterable[MotionSample], since_ns: int, until_ns: int) -> int | None:
    """When the motor came to rest, until `until_ns`; None: no motion was seen, or no end of it."""
    seen = [one for one in samples if since_ns <= one.t_ns < until_ns]
    moving = [place for place, one in enumerate(seen) if abs(one.velocity) > REST_COUNTS_S]
    if not moving or moving[-1] + 1 == len(seen):
        return None
    return seen[moving[-1] + 1].t_ns
