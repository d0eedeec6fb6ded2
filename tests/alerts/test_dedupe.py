"""What is sent for what happened: one message a window, counts that add up, resolutions that match."""

from __future__ import annotations

from itertools import count, pairwise

from hypothesis import given
from hypothesis import strategies as st

from fieldstack.alerts.dedupe import AGAIN_PARTS, MAX_KEYS, Deduplicator, Message
from fieldstack.alerts.model.alert import AlertState
from tests.alerts.receivers import report

S = 1_000_000_000
WINDOW = 10 * S
R = report()


def fresh() -> Deduplicator:
    numbers = count(1)
    return Deduplicator(WINDOW, lambda: f"i{next(numbers)}")


def told(messages: list[Message]) -> list[tuple[str, int, str]]:
    return [(str(one.state), one.count, one.incident) for one in messages]


def test_the_first_is_sent_at_once_and_repetitions_as_one_with_a_count() -> None:
    dedupe = fresh()
    assert told(dedupe.fired(R, 0)) == [("firing", 1, "i1")]
    for at in range(1, 6):
        assert dedupe.fired(R, at * S) == []
    assert dedupe.due(9 * S) == []
    assert told(dedupe.due(10 * S)) == [("firing", 5, "i1")]
    assert dedupe.due(11 * S) == []


def test_after_the_window_it_is_sent_at_once_again() -> None:
    dedupe = fresh()
    dedupe.fired(R, 0)
    assert told(dedupe.fired(R, 10 * S)) == [("firing", 1, "i1")]


def test_other_rules_and_subjects_are_other_alerts() -> None:
    dedupe = fresh()
    assert dedupe.fired(R, 0)
    assert dedupe.fired(report(rule="other"), 0)
    assert dedupe.fired(report(subject="other"), 0)


def test_a_resolution_is_told_at_once_and_once() -> None:
    dedupe = fresh()
    dedupe.fired(R, 0)
    dedupe.fired(R, S)
    assert told(dedupe.cleared(R.key, 2 * S)) == [("resolved", 2, "i1")]
    assert dedupe.cleared(R.key, 3 * S) == []
    assert dedupe.due(60 * S) == []


def test_what_nobody_was_told_of_is_not_resolved() -> None:
    assert fresh().cleared(R.key, 0) == []


def test_a_flapping_condition_is_told_again_less_and_less_often_with_how_often_it_fired() -> None:
    dedupe = fresh()
    sent = list[tuple[int, Message]]()
    for at in range(0, 40 * S, S // 2):
        sent += [(at, one) for one in (*dedupe.due(at), *dedupe.fired(R, at), *dedupe.cleared(R.key, at + 1))]
    firing = [(at, one) for at, one in sent if one.state is AlertState.FIRING]
    assert [at // S for at, _ in firing] == [0, 1, 3, 7, 15, 25, 35]
    assert len({one.incident for _, one in firing}) == len(firing), "what fires again is a new alert"
    assert sum(one.count for _, one in firing) == 70, "those since the last one wait to be told"
    assert firing[3][1].report.text.endswith("(fired 14 times within 7 s)")
    assert len(sent) == 2 * len(firing)


def test_what_fires_again_and_stays_is_told_within_a_tenth_of_the_window() -> None:
    dedupe = fresh()
    dedupe.fired(R, 0)
    dedupe.cleared(R.key, S // 4)
    assert dedupe.fired(R, S // 2) == []
    assert told(dedupe.due(S)) == [("firing", 1, "i2")]
    assert told(dedupe.cleared(R.key, 2 * S)) == [("resolved", 1, "i2")]


def test_a_crash_every_13_seconds_is_not_one_alert() -> None:
    """Seen on a live cell: one FIRING and one RESOLVED, while RT was restarted for ever."""
    numbers = count(1)
    dedupe = Deduplicator(300 * S, lambda: f"i{next(numbers)}")
    sent = list[Message]()
    for at in range(0, 600 * S, 13 * S):
        sent += dedupe.fired(R, at) + dedupe.cleared(R.key, at + S // 10)
        for second in range(13):
            sent += dedupe.due(at + second * S)
    firing = [one for one in sent if one.state is AlertState.FIRING]
    assert 5 <= len(firing) <= 7
    assert "times within" in firing[-1].report.text


def test_after_a_window_of_rest_it_is_counted_from_one_again() -> None:
    dedupe = fresh()
    for at in (0, S, 2 * S):
        dedupe.fired(R, at)
        dedupe.cleared(R.key, at + 1)
    dedupe.due(4 * S)
    (message,) = dedupe.fired(R, 60 * S)
    assert "times" not in message.report.text


def test_a_condition_that_comes_back_later_is_another_incident() -> None:
    dedupe = fresh()
    dedupe.fired(R, 0)
    dedupe.cleared(R.key, S)
    assert told(dedupe.fired(R, 20 * S)) == [("firing", 1, "i2")]


def test_a_watched_condition_is_remembered_however_long_it_is_quiet() -> None:
    dedupe = fresh()
    dedupe.fired(R, 0)
    dedupe.hold(frozenset({R.key}))
    dedupe.due(1000 * S)
    assert told(dedupe.cleared(R.key, 2000 * S)) == [("resolved", 1, "i1")]


def test_what_nobody_watches_is_forgotten_after_its_window() -> None:
    dedupe = fresh()
    dedupe.fired(R, 0)
    dedupe.due(WINDOW)
    assert dedupe.incidents() == []


def test_what_is_firing_is_known_after_a_restart() -> None:
    dedupe = fresh()
    dedupe.fired(R, 0, held=True)
    later = fresh()
    later.restore(dedupe.to_dict(), 5 * S)
    assert later.fired(R, 6 * S) == []
    assert told(later.cleared(R.key, 7 * S)) == [("resolved", 2, "i1")]


def test_the_number_of_incidents_is_bounded() -> None:
    dedupe = fresh()
    for number in range(MAX_KEYS + 50):
        dedupe.fired(report(subject=f"s{number}"), number)
    assert len(dedupe.incidents()) == MAX_KEYS


@given(st.lists(st.tuples(st.sampled_from(["fire", "clear", "due"]), st.integers(0, 4 * S)), max_size=60))
def test_counts_add_up_and_messages_are_few(steps: list[tuple[str, int]]) -> None:
    dedupe, now, fired, sent = fresh(), 0, 0, list[tuple[int, Message]]()
    for what, gap in steps:
        now += gap
        if what == "fire":
            fired += 1
            messages = dedupe.fired(report(lasting=True), now)
        elif what == "clear":
            messages = dedupe.cleared(R.key, now)
        else:
            messages = dedupe.due(now)
        sent += [(now, one) for one in messages]
    firing = [(at, one) for at, one in sent if one.state is AlertState.FIRING]
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(firing)]
    assert all(gap >= WINDOW // AGAIN_PARTS for gap in gaps)
    assert sum(one.count for _, one in firing) <= fired
    assert len(sent) <= 2 * (now // WINDOW + 1) * 5
