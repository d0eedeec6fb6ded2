"""The runner of scripts: a bounded pass, nobody starved, ends and errors told. The clock is the test's."""

from __future__ import annotations

from itertools import count

import pytest

from fieldstack_ethercat.bus.errors import BusError
from fieldstack_ethercat.bus.script import AT_ONCE, Script, pause_ns, run_to_end
from fieldstack_ethercat.bus.slave.script_runner import BUDGET_NS, LONGEST_NAP_NS, ScriptRunner

MS = 1_000_000


class Clock:
    """Each look costs as much as a frame that takes `step_ns`."""

    def __init__(self, step_ns: int) -> None:
        self.now_ns, self._step_ns = 0, step_ns

    def __call__(self) -> int:
        self.now_ns += self._step_ns
        return self.now_ns


def endless(done: list[int], who: int) -> Script[None]:
    while True:
        yield AT_ONCE
        done.append(who)


def test_a_pass_is_bounded_whatever_there_is_to_do() -> None:
    clock, done = Clock(MS // 4), list[int]()
    runner: ScriptRunner[str] = ScriptRunner(clock)
    for position in range(50):
        runner.begin(position, "work", endless(done, position))
    for _ in range(20):
        before_ns = clock.now_ns
        assert runner.run_pass() == []
        assert clock.now_ns - before_ns <= BUDGET_NS + MS


def test_who_has_waited_longest_comes_first_so_nobody_starves() -> None:
    done = list[int]()
    runner: ScriptRunner[str] = ScriptRunner(Clock(MS))
    for position in range(10):
        runner.begin(position, "work", endless(done, position))
    for _ in range(100):
        runner.run_pass()
    turns = [done.count(position) for position in range(10)]
    assert max(turns) - min(turns) <= 1


def test_one_that_waits_costs_nothing_and_is_carried_on_when_it_is_due() -> None:
    clock, seen = Clock(1000), list[int]()

    def patient() -> Script[None]:
        now_ns = yield AT_ONCE
        seen.append((yield now_ns + 50 * MS))

    runner: ScriptRunner[str] = ScriptRunner(clock)
    runner.begin(3, "wait", patient())
    looks = count()
    while not seen:
        before_ns = clock.now_ns
        ended = runner.run_pass()
        assert next(looks) < 100_000
        assert clock.now_ns - before_ns < MS
    # the last bit of it is slept away, which this clock does not see
    assert seen[0] >= 50 * MS - LONGEST_NAP_NS
    assert [(one.position, one.step, one.error) for one in ended] == [(3, "wait", None)]
    assert not runner.busy


def test_errors_end_their_script_alone() -> None:
    done = list[int]()

    def fails(error: Exception) -> Script[None]:
        yield AT_ONCE
        raise error

    runner: ScriptRunner[str] = ScriptRunner(Clock(1000))
    refused = BusError("refused")
    runner.begin(0, "a", fails(refused))
    runner.begin(1, "b", fails(ZeroDivisionError("a fault of ours")))
    runner.begin(2, "c", endless(done, 2))
    ended = {one.position: one.error for one in runner.run_pass()}
    assert ended[0] is refused
    assert "a fault of ours" in str(ended[1])
    assert runner.busy == {2}
    assert done


def test_a_script_that_is_replaced_is_closed() -> None:
    closed = list[str]()

    def work() -> Script[None]:
        try:
            yield AT_ONCE
            yield 10**18
        finally:
            closed.append("closed")

    runner: ScriptRunner[str] = ScriptRunner(Clock(1000))
    runner.begin(0, "a", work())
    runner.run_pass()
    runner.begin(0, "b", work())
    assert closed == ["closed"]
    assert runner.busy_with("b") == {0}
    runner.cancel(0)
    assert not runner.busy


def test_a_script_can_be_run_to_its_end() -> None:
    def answer() -> Script[int]:
        now_ns = yield AT_ONCE
        later_ns = yield now_ns + MS
        return later_ns - now_ns

    assert run_to_end(answer()) >= MS


@pytest.mark.parametrize("waited_ms", [0, 1, 10, 100, 10_000])
def test_pauses_grow_with_what_was_waited_and_stay_short(waited_ms: int) -> None:
    assert 0 < pause_ns(waited_ms * MS) <= 5 * MS
