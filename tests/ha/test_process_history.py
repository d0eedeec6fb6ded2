"""What is kept of each process: bounded, exact to a bucket, added to by the next Non-RT process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldstack.events import EventKind, EventReader
from fieldstack.events.log import EventLog
from fieldstack.ha.model.facts import ProcessCondition, ProcessFacts
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.detections import Detections
from fieldstack.ha.monitor.history_keeper import REPORT_EVERY_NS, HistoryKeeper, read_history
from fieldstack.ha.monitor.log_histogram import LogHistogram
from fieldstack.ha.monitor.process_history import History
from fieldstack_rt.datastore import EventCode, RtEvent

MS = 1_000_000
VALUES = st.lists(st.floats(0, 1e6, allow_nan=False), max_size=60)


def filled(values: list[float]) -> LogHistogram:
    made = LogHistogram()
    for value in values:
        made.add(value)
    return made


@given(VALUES, VALUES)
def test_merged_histograms_are_the_histogram_of_all_values(one: list[float], other: list[float]) -> None:
    merged = filled(one)
    merged.merge(filled(other))
    everything = filled(one + other)
    assert (merged.buckets, merged.max) == (everything.buckets, everything.max)
    assert merged.sum == pytest.approx(everything.sum)


@given(VALUES)
def test_a_histogram_outlives_json(values: list[float]) -> None:
    made = filled(values)
    again = LogHistogram.from_dict(json.loads(json.dumps(made.to_dict())))
    assert (again.buckets, again.max, again.count) == (made.buckets, made.max, len(values))


@given(VALUES.filter(len), st.floats(0.01, 1))
def test_a_quantile_is_within_its_bucket(values: list[float], share: float) -> None:
    made, exact = filled(values), sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]
    assert made.quantile(share) >= exact or made.quantile(share) == pytest.approx(exact)
    assert made.quantile(share) <= made.max


def test_each_non_rt_process_adds_to_the_history(tmp_path: Path) -> None:
    log, told = EventLog(tmp_path, sync=False), list[str]()
    for life in range(3):
        keeper = HistoryKeeper(tmp_path, log, told.append)
        keeper.history.missed(ProcessName.RT, 2, 50 * MS)
        keeper.history.detected(ProcessName.RT, "dead", (life + 1) * MS)
        keeper.keep(life)
        keeper.close()
    log.close()
    kept = read_history(tmp_path)
    assert kept
    assert not told
    rt = kept["processes"]["fieldstack-rt"]
    assert (rt["misses"]["count"], rt["detections"]) == (3, {"dead": 3})
    assert (rt["detection_ms"]["max"], rt["delay_ms"]["p50"]) == (3.0, 50.0)


def test_misses_and_delays_are_events_at_most_one_a_minute(tmp_path: Path) -> None:
    log = EventLog(tmp_path, sync=False)
    keeper = HistoryKeeper(tmp_path, log, lambda _why: None)
    keeper.keep(0)
    for number in range(9):  # of one storm
        keeper.history.missed(ProcessName.RT, number + 1, 30 * (number + 1) * MS)
        keeper.keep(number * MS)
    keeper.history.missed(ProcessName.CORE, 1, 120 * MS)
    keeper.keep(REPORT_EVERY_NS)
    keeper.keep(3 * REPORT_EVERY_NS)
    keeper.history.missed(ProcessName.CORE, 2, 220 * MS)
    keeper.close()  # nothing is kept back
    log.close()
    told = [event for event in EventReader(tmp_path).read() if event.kind is EventKind.PROCESS_DELAYED]
    assert [{name: one["times"] for name, one in event.data["processes"].items()} for event in told] == [
        {"fieldstack-rt": 1},
        {"fieldstack-rt": 8, "fieldstack-core": 1},
        {"fieldstack-core": 1},
    ]
    assert told[1].data["processes"]["fieldstack-rt"] == {
        "times": 8,
        "misses": 44,
        "most_misses": 9,
        "longest_ms": 270,
    }
    assert told[2].text == "went on after misses: fieldstack-core 1 times (at most 2 misses, 220 ms)"


@pytest.mark.parametrize(
    "damaged", [{}, {"version": 2}, {"version": 1, "since_wall_ns": 0, "processes": {"x": {"misses": 7}}}]
)
def test_a_history_that_is_not_usable_begins_anew_and_says_so(damaged: dict[str, object]) -> None:
    history, why = History.restore(damaged, 5)
    assert "begins again" in why
    assert (history.to_dict()["processes"], history.since_wall_ns) == ({}, 5)


def test_a_detection_is_told_once_with_how_long_it_took(tmp_path: Path) -> None:
    log = EventLog(tmp_path, sync=False)
    detections = Detections(History(), log)
    well = ProcessFacts(ProcessName.CORE, ProcessCondition.RUNNING, 1, 70, gone=False)
    silent = ProcessFacts(ProcessName.CORE, ProcessCondition.SILENT, 1, 70, detected_ns=3000 * MS, gone=False)
    dead = ProcessFacts(ProcessName.CORE, ProcessCondition.DEAD, 2, 71, detected_ns=9000 * MS)
    for now, facts, sign in ((1000, well, 990), (3000, silent, 990), (3020, silent, 990)):
        detections.observe(now * MS, facts, sign * MS)
    detections.observe(
        8990 * MS, ProcessFacts(ProcessName.CORE, ProcessCondition.RUNNING, 2, 71, gone=False), 0
    )
    detections.observe(9000 * MS, dead, 8000 * MS)
    log.close()
    told = [event.data for event in EventReader(tmp_path).read() if event.kind is EventKind.PROCESS_DETECTED]
    assert [(one["condition"], one["took_ms"]) for one in told] == [("silent", 2010.0), ("dead", 10.0)]
    assert detections.history.of(ProcessName.CORE).detections == {"silent": 1, "dead": 1}


def test_a_pass_that_was_held_up_before_its_beat_was_no_sign_of_life(tmp_path: Path) -> None:
    """Stopped in its midst, it is completed afterwards; RT's event of the silence comes in the pass after."""
    log = EventLog(tmp_path, sync=False)
    detections = Detections(History(), log)
    detections.done(1000 * MS, 1002 * MS)
    detections.done(1020 * MS, 1600 * MS)
    detections.reported_by_rt(RtEvent(1, 1503 * MS, EventCode.NONRT_SILENT, 0, 501, 0, 0))
    log.close()
    (told,) = [event.data for event in EventReader(tmp_path).read()]
    assert told["took_ms"] == 503.0
