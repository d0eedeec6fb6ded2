"""Storms of RT's events are gathered; nothing of them is lost, and a calm cell's are told at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fieldstack.events.kinds import EventKind, Severity, render
from fieldstack.ha.monitor.event_storms import SINGLY, SPAN_NS, EventStorms, summary
from fieldstack_rt.datastore import RtEvent
from fieldstack_rt.datastore.layout import EventCode

MS = 1_000_000


def event(code: int, t_ns: int = 0, sequence: int = 0) -> RtEvent:
    return RtEvent(sequence=sequence, t_ns=t_ns, code=code, subject=0, a=600_000, b=500_000, c=0)


def test_a_few_are_told_at_once() -> None:
    gather = EventStorms()
    for number in range(SINGLY):
        assert not gather.keeps(event(EventCode.FRAME_LOST), number * MS)
        assert not gather.keeps(event(EventCode.WKC_BACK), number * MS)
    assert gather.due(10 * SPAN_NS) == ()


def test_a_storm_is_told_once_a_span() -> None:
    gather = EventStorms()
    storm = [event(EventCode.FRAME_LOST, number * MS, number) for number in range(200)]
    kept = [one for one in storm if gather.keeps(one, one.t_ns)]
    assert kept == storm[SINGLY:]
    assert gather.due(SPAN_NS - 1) == ()
    assert gather.due(SPAN_NS) == tuple(kept)
    assert gather.due(2 * SPAN_NS) == ()


def test_other_events_are_never_held_back() -> None:
    gather = EventStorms()
    for number in range(100):
        gather.keeps(event(EventCode.FRAME_LOST), number)
    storms = {EventCode.FRAME_LOST, EventCode.WKC_LOW, EventCode.WKC_BACK, EventCode.LATE_WAKEUP}
    assert not any(gather.keeps(event(code), 100) for code in EventCode if code not in storms)


@given(st.lists(st.tuples(st.sampled_from([3, 4, 5, 6, 7]), st.integers(0, 400 * MS)), max_size=300))
def test_each_is_told_exactly_once_and_no_later_than_a_span(steps: list[tuple[int, int]]) -> None:
    gather, now, told, when = EventStorms(), 0, list[int](), dict[int, int]()
    for number, (code, gap) in enumerate(steps):
        now += gap
        when[number] = now
        late = gather.due(now)
        assert all(now - when[one.sequence] <= SPAN_NS + 400 * MS for one in late)
        told += [one.sequence for one in late]
        if not gather.keeps(event(code, now, number), now):
            told.append(number)
    told += [one.sequence for one in gather.take()]
    assert sorted(told) == list(range(len(steps)))


def test_the_summary_counts_and_keeps_stamps_and_causes() -> None:
    storm = [
        event(EventCode.FRAME_LOST, 5 * MS),
        event(EventCode.LATE_WAKEUP, 6 * MS),
        event(EventCode.FRAME_LOST, 905 * MS),
    ]
    fields = summary(storm)
    severity, text = render(EventKind.RT_DISTURBED, fields)
    assert severity is Severity.WARNING
    assert text == "RT, further within 900 ms: 2 frames lost, 1 late wake-ups"
    assert [one["t_ns"] for one in fields["gathered"]] == [5 * MS, 6 * MS, 905 * MS]
    assert fields["gathered"][0]["fields"]["cause"] == "cable, slave or segment did not return it"
