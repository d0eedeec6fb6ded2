"""When a drive that ignored a stop had no power, and when it stood: read off the segment's stamps."""

from __future__ import annotations

from fieldstack.bench.failover.forced_stop import power_off_ns, standing_ns
from fieldstack_ethercat.segment.truth import EventKind, MotionSample, SlaveEvent

ENABLED, QUICK_STOP_ACTIVE, SWITCH_ON_DISABLED = 0x0627, 0x0607, 0x0640
FAULT = 1000


def changed(t_ns: int, statusword: int) -> SlaveEvent:
    return SlaveEvent(1, t_ns, EventKind.DRIVE_STATE, statusword, ENABLED)


def motion(*velocities: float) -> list[MotionSample]:
    return [MotionSample(n, FAULT + n, 0.0, velocity, ENABLED) for n, velocity in enumerate(velocities)]


def test_power_is_off_once_no_powered_state_is_left() -> None:
    events = [
        changed(900, SWITCH_ON_DISABLED),
        changed(1100, QUICK_STOP_ACTIVE),
        SlaveEvent(1, 1150, EventKind.CONTROLWORD, 0, 0),
        changed(1200, SWITCH_ON_DISABLED),
        changed(1300, SWITCH_ON_DISABLED),
    ]
    assert power_off_ns(events, FAULT) == 1200
    assert power_off_ns(events[:2], FAULT) is None


def test_it_stands_after_the_last_motion() -> None:
    assert standing_ns(motion(-5e5, 0, 5e4, 900, 0), FAULT, 2000) == FAULT + 3


def test_what_was_never_seen_to_move_or_to_end_is_no_standstill() -> None:
    assert standing_ns([], FAULT, 2000) is None
    assert standing_ns(motion(0, 0, 0), FAULT, 2000) is None
    assert standing_ns(motion(0, 5e5), FAULT, 2000) is None
    assert standing_ns(motion(5e5, 0, 5e5), FAULT, FAULT + 1) is None
