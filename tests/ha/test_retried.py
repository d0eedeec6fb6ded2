"""A part of supervision that raises: asked again, told of once, and never taken for well meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.events import EventKind, EventLog, EventReader
from fieldstack.ha.model.measures import BUILT_IN, FACTS, FACTS_BY_PROBE, PARTS_WITHOUT_FACTS, FactKind
from fieldstack.ha.monitor.retried import FIRST_NS, MAX_DELAY_NS, TRACE_CHARS, WELL_NS, Retried, Retries
from tests.ha.script import MS


class Told:
    """What is written down, without a disk."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def append(self, _kind: EventKind, *, what: str, **more: str) -> None:
        self.lines.append((what, more.get("traceback", "")))


def part() -> tuple[Retried, Told]:
    told = Told()
    return Retried("axes", told), told  # type: ignore[arg-type]


def fail() -> None:
    raise RecursionError("too deep")


def well() -> None:
    return


def test_what_failed_once_is_well_in_the_next_pass() -> None:
    one, told = part()
    one.attempt(100 * MS, well)
    one.attempt(120 * MS, fail)
    assert one.blind_ms(120 * MS) == 20
    one.attempt(140 * MS, well)
    assert one.blind_ms(140 * MS) == 0
    assert [what for what, _ in told.lines] == [
        "probe:axes failed, and is tried again: RecursionError: too deep",
        "probe:axes is well again after 40 ms",
    ]


def test_it_is_tried_again_for_ever_at_a_growing_pause() -> None:
    one, told = part()
    tries = list[int]()
    for now in range(MS, 60_000 * MS, 20 * MS):

        def attempt(now: int = now) -> None:
            tries.append(now)
            fail()

        one.attempt(now, attempt)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps[0] == FIRST_NS
    assert max(gaps) <= MAX_DELAY_NS + 20 * MS
    assert tries[-1] > 58_000 * MS
    assert len(told.lines) <= 2, "one failure is not written down again and again"


def test_it_says_where_it_failed_and_a_recursion_does_not_fill_the_log() -> None:
    one, told = part()

    def deep(level: int = 0) -> None:
        deep(level + 1)

    one.attempt(MS, deep)
    ((_, trace),) = told.lines
    assert "in deep" in trace
    assert len(trace) <= TRACE_CHARS


def test_the_pause_is_short_again_only_after_it_was_well_for_a_while() -> None:
    one, _ = part()
    one.attempt(MS, fail)
    for _ in range(6):
        one.attempt(one._again_ns, fail)
    again = one._again_ns
    one.attempt(again, well)
    one.attempt(again + MS, fail)
    assert one._again_ns - (again + MS) == MAX_DELAY_NS
    one.attempt(one._again_ns, well)
    late = one._again_ns + WELL_NS
    one.attempt(late, fail)
    assert one._again_ns - late == FIRST_NS


@given(st.lists(st.booleans(), min_size=50, max_size=300))
def test_it_is_blind_exactly_since_its_last_good_attempt(good: list[bool]) -> None:
    one, _ = part()
    last_good = 0
    for place, is_good in enumerate(good):
        now, asked = (place + 1) * 20 * MS, list[bool]()

        def attempt(good: bool = is_good, asked: list[bool] = asked) -> None:
            asked.append(True)
            if not good:
                fail()

        one.attempt(now, attempt)
        last_good = now if (asked and is_good) or not last_good else last_good
        assert one.blind_ms(now) * MS == (now - last_good if one.failure else 0)


def test_every_fact_has_its_probe_and_every_part_its_name() -> None:
    told = {fact for facts in FACTS_BY_PROBE.values() for fact in facts}
    assert told == set(FACTS) - BUILT_IN - {FactKind.PROBE_BLIND}, "name its probe in measures.FACTS_BY_PROBE"
    assert not PARTS_WITHOUT_FACTS & set(FACTS_BY_PROBE)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path, sync=False)
    yield made
    made.close()


def test_parts_are_known_by_name_and_say_what_is_not_known(log: EventLog, tmp_path: Path) -> None:
    retries = Retries(log)
    retries.attempt("tasks", MS, well)
    retries.attempt("axes", MS, fail)
    measures = {one.subject: one.value for one in retries.measures(121 * MS)}
    assert measures == {"probe:tasks": 0.0, "probe:axes": 120.0}
    (blind,) = retries.describe(121 * MS)
    assert blind["facts"] == sorted(FACTS_BY_PROBE["probe:axes"])
    assert "RecursionError" in blind["failure"]
    retries.inject("tasks", 500 * MS)
    retries.attempt("tasks", 200 * MS, well)
    assert "injected" in retries.part("tasks").failure
    with pytest.raises(KeyError, match="tasks, axes"):
        retries.inject("axis", 0)
    assert log.flush()
    assert any("traceback" in event.data for event in EventReader(tmp_path).read())
