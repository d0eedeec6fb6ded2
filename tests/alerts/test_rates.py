"""Rate limit, routing by severity, and waits between attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fieldstack.alerts.backoff import FIRST_NS, MAX_DELAY_NS, SPREAD, delay_ns
from fieldstack.alerts.model.alert import Alert, AlertState, make
from fieldstack.alerts.routing import Route
from fieldstack.alerts.token_bucket import TokenBucket
from tests.alerts.receivers import Severity, report

S = 1_000_000_000


def firing(rule: str = "r", severity: Severity = Severity.ERROR) -> Alert:
    return make(report(rule, severity=severity), AlertState.FIRING, "cell", 0)


def resolved(one: Alert) -> Alert:
    return make(
        report(one.rule, severity=one.severity), AlertState.RESOLVED, "cell", 0, incident=one.incident
    )


def route(burst: int = 2, per_minute: float = 6, severity: Severity = Severity.WARNING) -> Route:
    return Route(severity, TokenBucket(per_minute, burst))


def test_a_burst_then_the_rate() -> None:
    bucket = TokenBucket(per_minute=6, burst=3)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(9 * S)
    assert bucket.take(10 * S)
    assert not bucket.take(11 * S)
    assert [bucket.take(1000 * S) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(0)


@given(st.lists(st.integers(0, 5 * S), max_size=200))
def test_never_more_than_burst_and_rate(gaps: list[int]) -> None:
    bucket, now, taken = TokenBucket(per_minute=30, burst=5), 0, 0
    for gap in gaps:
        now += gap
        taken += bucket.take(now)
    assert taken <= 5 + 30 * now / (60 * S) + 1


def test_waits_double_within_bounds_and_differ_between_senders() -> None:
    waits = [delay_ns(attempt, "a") for attempt in range(1, 40)]
    assert all(
        (1 - SPREAD) * min(MAX_DELAY_NS, FIRST_NS << min(at, 30)) <= wait <= MAX_DELAY_NS
        for at, wait in enumerate(waits)
    )
    assert waits[0] <= FIRST_NS
    assert delay_ns(1, "a") == delay_ns(1, "a") != delay_ns(1, "b")
    assert delay_ns(10**6, "a") <= MAX_DELAY_NS


def test_milder_alerts_go_elsewhere() -> None:
    gate = route(severity=Severity.ERROR)
    assert not gate.admits(firing(severity=Severity.WARNING), 0)
    assert gate.admits(firing(severity=Severity.CRITICAL), 0)


def test_what_is_held_back_is_told_in_one_summary() -> None:
    gate = route(burst=2)
    assert [gate.admits(firing(f"r{n % 2}"), 0) for n in range(6)] == [True, True, False, False, False, False]
    assert gate.held_back == 4
    assert gate.summary(S) is None
    told = gate.summary(10 * S)
    assert told is not None
    assert told.text.startswith("4 alerts were held back: ")
    assert "r0 fieldstack-rt x2" in told.text
    assert told.severity is Severity.ERROR
    assert gate.summary(1000 * S) is None


def test_nothing_overtakes_a_summary_that_is_due() -> None:
    gate = route(burst=1)
    assert gate.admits(firing("a"), 0)
    assert not gate.admits(firing("b"), 0)
    assert not gate.admits(firing("c"), 60 * S)
    assert gate.summary(60 * S) is not None
    assert gate.admits(firing("d"), 120 * S)


def test_a_resolution_follows_its_alert() -> None:
    gate = route(burst=1)
    passed, held = firing("a"), firing("b")
    assert gate.admits(passed, 0)
    assert not gate.admits(held, 0)
    assert gate.admits(resolved(passed), 0)
    assert not gate.admits(resolved(held), 0)
