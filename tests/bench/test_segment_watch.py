"""When outputs were safe and slaves back, read off the segment's events."""

from __future__ import annotations

from fieldstack.bench.failover.faults import FaultKind
from fieldstack.bench.failover.segment_watch import back_in_op_ns, outputs_safe_ns
from fieldstack_ethercat.segment.truth import EventKind, SlaveEvent

FAULT = 1000
OP, SAFEOP = 8, 4


def event(t_ns: int, kind: EventKind, a: int = 0) -> SlaveEvent:
    return SlaveEvent(1, t_ns, kind, a, 0)


def test_the_last_slave_counts_and_only_its_first_safe_moment() -> None:
    events = {
        0: [event(1100, EventKind.OUTPUTS_SAFE), event(5000, EventKind.OUTPUTS_SAFE)],
        1: [event(1200, EventKind.OUTPUTS_INVALID)],
    }
    assert outputs_safe_ns(events, {0, 1}, FAULT) == 1200


def test_a_slave_that_never_became_safe_is_told() -> None:
    events = {0: [event(900, EventKind.OUTPUTS_SAFE)], 1: [event(1200, EventKind.OUTPUTS_SAFE)]}
    assert outputs_safe_ns(events, {0, 1}, FAULT) is None


def test_slaves_that_were_safe_already_do_not_count() -> None:
    assert outputs_safe_ns({0: []}, set(), FAULT) == FAULT


def test_back_in_op_is_when_the_last_slave_is() -> None:
    back = {
        0: [event(1100, EventKind.AL_STATE, SAFEOP), event(3000, EventKind.AL_STATE, OP)],
        1: [event(1100, EventKind.AL_STATE, SAFEOP), event(4000, EventKind.AL_STATE, OP)],
    }
    assert back_in_op_ns(back, FAULT) == 4000
    assert back_in_op_ns(back | {2: [event(1100, EventKind.AL_STATE, SAFEOP)]}, FAULT) is None
    assert back_in_op_ns(back | {2: []}, FAULT) is None


def test_bounds_of_crash_and_hang() -> None:
    assert FaultKind.SIGKILL.bound_ns(5, 1_000_000) == 5_000_000
    assert FaultKind.SPIN.bound_ns(5, 1_000_000) == 10_000_000
