"""A guard that is armed and does not look is told of."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fieldstack.ha.monitor.guard_liveness import LOST_NS, MIN_PASSES, STILL_NS, GuardLiveness, GuardStillError
from fieldstack_rt.datastore.layout import GuardState

NOW = 5_000_000_000


def test_an_armed_guard_that_stands_still_is_told_of_until_it_looks_again() -> None:
    lost: list[str] = []
    status = SimpleNamespace(state=GuardState.ARMED, observations=7, armed_epoch=1)
    pace = GuardLiveness(lambda: status, lost.append)
    pace.check(NOW)
    for passed in range(MIN_PASSES - 1):
        pace.check(NOW + STILL_NS + passed - 100)
    pace.check(NOW + STILL_NS - 1)
    with pytest.raises(GuardStillError, match="not looked at RT for 500 ms"):
        pace.check(NOW + STILL_NS)
    status.observations += 1
    pace.check(NOW + STILL_NS + 1)


def test_a_stall_of_the_whole_machine_is_one_look() -> None:
    lost: list[str] = []
    status = SimpleNamespace(state=GuardState.ARMED, observations=7, armed_epoch=1)
    pace = GuardLiveness(lambda: status, lost.append)
    pace.check(NOW)
    pace.check(NOW + 10 * STILL_NS)
    assert not lost


@pytest.mark.parametrize("state", [GuardState.IDLE, GuardState.TRIPPED, GuardState.OFF])
def test_a_guard_that_has_nothing_to_look_at_is_not(state: GuardState) -> None:
    lost: list[str] = []
    pace = GuardLiveness(lambda: SimpleNamespace(state=state, observations=7, armed_epoch=0), lost.append)
    pace.check(NOW)
    pace.check(NOW + 10 * STILL_NS)


def test_one_that_stands_still_for_long_is_lost() -> None:
    lost: list[str] = []
    status = SimpleNamespace(state=GuardState.ARMED, observations=7, armed_epoch=1)
    pace = GuardLiveness(lambda: status, lost.append)
    for passed in range(MIN_PASSES):
        pace.check(NOW + passed)
    with pytest.raises(GuardStillError):
        pace.check(NOW + LOST_NS - 1)
    assert not lost
    with pytest.raises(GuardStillError):
        pace.check(NOW + LOST_NS)
    assert lost == ["the guard's thread has not looked at RT for 3000 ms"]
