"""A drive that lets go of power by itself again and again gets it less and less often, and it is counted."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fieldstack_rt._native import lib
from fieldstack_rt.datastore.layout import Stop
from tests.rt.test_axis import DT, ENABLED, READY, SWITCH_ON_DISABLED, Bench


def wait_s(bench: Bench) -> float:
    """It lets go; until it is asked to come up again."""
    bench.statusword = SWITCH_ON_DISABLED
    for cycles in range(60_000):
        if bench.step().controlword != 0:
            return cycles * DT
    raise AssertionError("it never gets power again")


def test_the_first_time_at_once_then_later_and_later_up_to_a_bound() -> None:
    bench = Bench().enabled()
    waits = []
    for _ in range(10):
        waits.append(wait_s(bench))
        bench.enabled()
    assert waits[0] == 0
    assert waits[1] == pytest.approx(0.5, abs=0.01)
    assert all(after == pytest.approx(2 * before, rel=0.02) for before, after in pairwise(waits[1:5]))
    assert max(waits) == pytest.approx(10.0, abs=0.1)
    assert bench.axis.state.let_go == 10


def test_after_a_steady_time_it_counts_anew() -> None:
    bench = Bench().enabled()
    wait_s(bench)
    bench.enabled()
    for _ in range(round(lib.FS_STEADY_S / DT) + 1):
        bench.step()
    assert bench.axis.state.let_go == 0
    assert wait_s(bench) == 0


def test_a_reset_says_that_somebody_has_seen_to_it() -> None:
    bench = Bench().enabled()
    for _ in range(5):
        wait_s(bench)
        bench.enabled()
    bench.statusword = SWITCH_ON_DISABLED
    assert bench.step().controlword == 0
    assert bench.step(reset=1).controlword == 0x0006
    assert bench.axis.state.let_go == 0


@pytest.mark.parametrize("stop", [Stop.ESTOP, Stop.NONE])
def test_power_that_was_taken_is_not_let_go(stop: Stop) -> None:
    """By the stop category, or because the axis may not have it."""
    bench = Bench().enabled()
    bench.step(stop=stop, enable=False)
    for bench.statusword in (READY, SWITCH_ON_DISABLED):
        bench.step(stop=stop, enable=False)
    assert bench.step().controlword == 0x0006
    assert bench.axis.state.let_go == 0
    bench.statusword = ENABLED
    bench.step()
    assert bench.axis.state.let_go == 0
