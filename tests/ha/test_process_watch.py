"""Never seen, starting, running, silent, stopped and dead are different things."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fieldstack.ha.model.facts import ProcessCondition as C
from fieldstack.ha.model.facts import ProcessFacts
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.process_history import History
from fieldstack.ha.monitor.process_watch import ProcessWatch, SignOfLife
from fieldstack.ha.policy import load_policy
from fieldstack.process import Ended, ProcessHandle

POLICY = load_policy(Path(__file__).parents[2] / "config/ha/failover_policy.json")
ALIVE = ProcessHandle("fieldstack-rt", 7, 3, adopted=False)
MS = 1_000_000


class Watched:
    def __init__(self) -> None:
        self.watch = ProcessWatch(POLICY.process(ProcessName.RT))
        self.now = 10**12
        self.beat = 100

    def began(self) -> Watched:
        self.watch.began(self.now, 7, self.beat)
        return self

    def later(self, ms: float, *, beats: int = 0, at_work: bool = True, **sign: bool) -> ProcessFacts:
        self.now += round(ms * MS)
        self.beat += beats
        return self.watch.observe(self.now, SignOfLife(self.beat, at_work, **sign), ALIVE, None)

    def ended(self, status: int | None, *, stopped: bool = False) -> ProcessFacts:
        sign = SignOfLife(self.beat, at_work=True, stopped=stopped)
        return self.watch.observe(self.now, sign, None, Ended(7, status, "text"))


def test_never_seen_is_no_failure() -> None:
    assert Watched().later(10**6).condition is C.NEVER_SEEN


def test_a_start_has_its_grace() -> None:
    watched = Watched().began()
    assert watched.later(19_999, at_work=False).condition is C.STARTING
    assert watched.later(10, at_work=False).condition is C.SILENT


def test_progress_is_what_counts() -> None:
    watched = Watched().began()
    assert all(watched.later(20, beats=20).condition is C.RUNNING for _ in range(100))
    found = [watched.later(20).condition for _ in range(12)]
    assert found[:9] == [C.RUNNING] * 9
    assert found[-1] is C.SILENT
    assert watched.later(20, beats=1).condition is C.RUNNING


def test_a_stall_of_the_whole_machine_is_one_observation() -> None:
    watched = Watched().began()
    watched.later(20, beats=1)
    assert watched.later(60_000).condition is C.RUNNING
    assert watched.later(20, beats=1).condition is C.RUNNING


@pytest.mark.parametrize(
    ("status", "stopped", "condition"),
    [
        (0, True, C.STOPPED),
        (1, True, C.DEAD),
        (-9, False, C.DEAD),
        (None, True, C.STOPPED),
        (None, False, C.DEAD),
    ],
)
def test_an_end_is_orderly_or_a_death(status: int | None, stopped: bool, condition: C) -> None:
    assert Watched().began().ended(status, stopped=stopped).condition is condition


def test_an_end_that_was_asked_for_is_a_stop_however_it_ended() -> None:
    watched = Watched().began()
    watched.watch.asked_to_end()
    assert watched.later(20, beats=1).condition is C.STOPPING
    facts = watched.ended(-9)
    assert (facts.condition, facts.stop_requested) == (C.STOPPED, True)


def test_a_start_that_was_refused_is_a_death_of_its_own() -> None:
    watched = Watched().began()
    first = watched.ended(-9).start_id
    watched.watch.could_not_start(watched.now, "no such program")
    facts = watched.watch.observe(watched.now, SignOfLife(0, at_work=False), None, None)
    assert (facts.condition, facts.why) == (C.DEAD, "no such program")
    assert facts.start_id > first


def test_going_down_must_not_take_for_ever() -> None:
    watched = Watched().began()
    assert watched.later(20, stopping=True).condition is C.STOPPING
    assert watched.later(20_001, stopping=True).condition is C.SILENT


def test_at_work_is_shown_once_for_a_start() -> None:
    """A start that was at work cannot be one that never came to it, however old it is."""
    watched = Watched().began()
    watched.later(20, beats=20)
    watched.later(60_000, beats=20)
    assert watched.later(20, beats=20, at_work=False).condition is C.RUNNING
    found = [watched.later(20, at_work=False).condition for _ in range(12)]
    assert found[:9] == [C.RUNNING] * 9
    assert found[-1] is C.SILENT
    assert watched.began().later(20, at_work=False).condition is C.STARTING


def test_one_that_goes_down_beats_until_it_has_let_go() -> None:
    watched = Watched().began()
    watched.later(20, beats=20)
    assert all(watched.later(20, beats=20, stopping=True).condition is C.STOPPING for _ in range(50))
    found = [watched.later(20, stopping=True) for _ in range(12)]
    assert found[-1].condition is C.SILENT
    assert "while it goes down" in found[-1].why
    watched = Watched().began()
    watched.later(20, beats=20)
    assert all(watched.later(20, stopping=True, released=True).condition is C.STOPPING for _ in range(50))


@settings(deadline=None)
@given(
    interval=st.integers(1, 250),
    timeout=st.integers(1, 1000),
    threshold=st.integers(1, 20),
    supervision=st.integers(5, 200),
    gaps=st.lists(st.floats(0.1, 1.0), min_size=1, max_size=40),
)
@example(interval=20, timeout=200, threshold=5, supervision=200, gaps=[1.0])
@example(interval=25, timeout=2500, threshold=100, supervision=20, gaps=[1.0])
def test_silence_is_seen_within_the_computed_worst_case(
    interval: int, timeout: int, threshold: int, supervision: int, gaps: list[float]
) -> None:
    """Passes come at any time, at most the supervision interval apart; the last progress right after one."""
    times = {"health_check_interval_ms": interval, "health_check_timeout_ms": max(timeout, interval)}
    section = POLICY.process(ProcessName.RT).model_copy(update=times | {"failure_threshold": threshold})
    watch = ProcessWatch(section)
    watch.began(0, 7, 0)
    watch.observe(0, SignOfLife(1, at_work=True), ALIVE, None)
    now = 0.0
    for gap in cycle(gaps):
        now += gap * supervision
        if watch.observe(round(now * MS), SignOfLife(2, at_work=True), ALIVE, None).condition is C.SILENT:
            break
    assert now <= supervision + section.silent_ms(supervision)


def test_progress_that_came_late_is_kept_as_history() -> None:
    history = History()
    watch = ProcessWatch(POLICY.process(ProcessName.RT), history)
    watch.began(0, 7, 100)
    for now, beat in ((500, 100), (1000, 101), (1020, 102), (1040, 102), (1060, 102), (1080, 103)):
        watch.observe(now * MS, SignOfLife(beat, at_work=True), ALIVE, None)
    kept = history.of(ProcessName.RT)
    assert (kept.misses.count, kept.misses.max) == (1, 2), "what a start takes is no miss"
    assert kept.delay_ms.max == 60.0
