"""One channel's delivery on a clock of the test's own: what is given up, and what counts as delivered."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fieldstack.alerts import backoff
from fieldstack.alerts.channels.base import DeliveryError
from fieldstack.alerts.delivery import Counts, Delivery
from fieldstack.alerts.model.alert import Alert, AlertState, make
from fieldstack.alerts.powered_clock import PoweredClock
from fieldstack.alerts.spool import Spool
from fieldstack_base.units import NS_PER_HOUR
from tests.alerts.receivers import alert, report, wait_for

KEEP_H = 72.0


class Receiver:
    """A channel that is away, or hangs, as the test says."""

    timeout_s = 10.0

    def __init__(self) -> None:
        self.away = threading.Event()
        self.hangs = threading.Event()
        self.go_on = threading.Event()
        self.asked = self.hung = 0
        self.taken: list[str] = []

    def deliver(self, one: Alert) -> str:
        self.asked += 1
        if self.hangs.is_set():
            self.hung += 1
            assert self.go_on.wait(30)
        if self.away.is_set():
            raise DeliveryError("nobody there")
        self.taken.append(one.rule)
        return "taken"


class Bench:
    def __init__(self, folder: Path) -> None:
        self.now_ns = 1
        self.folder = folder
        self.receiver, self.counts = Receiver(), Counts()
        self.spool = self.fresh_spool()

    def fresh_spool(self) -> Spool:
        return Spool(self.folder, clock=lambda: self.now_ns)

    def begin(self) -> Delivery:
        delivery = Delivery("ops", self.receiver, self.spool, KEEP_H, self.counts)
        delivery.start()
        return delivery


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(backoff, "FIRST_NS", 10_000_000)
    return Bench(tmp_path)


def finish(delivery: Delivery) -> None:
    delivery.end()
    delivery.join(10)
    assert not delivery.alive


def test_a_wall_clock_that_is_set_ages_nothing(bench: Bench) -> None:
    """A machine without a battery's clock: it was 1970 when RT failed, and is not any more."""
    long_ago = make(report(rule="early"), AlertState.FIRING, "cell", 5_000_000_000)
    bench.spool.push(long_ago)
    delivery = bench.begin()
    wait_for(lambda: bench.receiver.taken == ["early"], "it came")
    finish(delivery)
    assert bench.counts.given_up == 0


def test_what_has_waited_too_long_is_given_up_but_never_unseen(bench: Bench) -> None:
    bench.receiver.away.set()
    for rule in ("a", "b"):
        bench.spool.push(alert(rule=rule))
    delivery = bench.begin()
    wait_for(lambda: bench.receiver.asked >= 2, "it is tried again and again")
    assert bench.counts.given_up == 0
    bench.now_ns += round(KEEP_H * NS_PER_HOUR) + 1
    wait_for(lambda: bench.counts.given_up == 2, "both are given up")
    assert "too long (nobody there)" in bench.counts.last_error
    bench.spool.push(alert(rule="young"))
    wait_for(lambda: bench.counts.last_error == "nobody there", "the next one is tried")
    bench.receiver.away.clear()
    wait_for(lambda: bench.receiver.taken, "the receiver is back")
    finish(delivery)
    assert bench.receiver.taken == ["young"]


def test_an_old_alert_is_delivered_to_a_receiver_that_is_there(bench: Bench) -> None:
    bench.spool.push(alert(rule="old"))
    bench.spool.sync()
    bench.now_ns += round(1000 * NS_PER_HOUR)
    bench.spool = bench.fresh_spool()
    delivery = bench.begin()
    wait_for(lambda: bench.receiver.taken == ["old"], "it came")
    finish(delivery)


def test_age_outlives_a_restart(bench: Bench) -> None:
    bench.spool.push(alert())
    bench.spool.sync()
    bench.now_ns += NS_PER_HOUR
    entry = bench.fresh_spool().head()
    assert entry is not None
    assert bench.spool.age_ns(entry) == NS_PER_HOUR
    bench.now_ns = 0  # what was known of the clock is gone: it begins again
    entry = bench.fresh_spool().head()
    assert entry is not None
    assert bench.spool.age_ns(entry) == 0


def test_what_a_delivery_that_was_to_end_has_delivered_is_not_sent_again(bench: Bench) -> None:
    bench.receiver.hangs.set()
    bench.spool.push(alert(rule="slow"))
    delivery = bench.begin()
    wait_for(lambda: bench.receiver.hung, "it hangs")
    delivery.end()  # as for one that is stuck
    bench.receiver.go_on.set()
    delivery.join(10)
    assert bench.receiver.taken == ["slow"]
    assert (len(bench.spool), bench.counts.delivered) == (0, 1)


def test_the_clock_goes_on_over_runs_of_the_machine() -> None:
    first = PoweredClock("one")
    assert first.at(100) == 100
    again = PoweredClock("one", first.to_dict(100))
    assert again.at(150) == 150, "the same run"
    second = PoweredClock("two", again.to_dict(150))
    assert second.at(10) == 160, "another run: 10 after its start"
    third = PoweredClock("three", PoweredClock("two", second.to_dict(10)).to_dict(40))
    assert third.at(0) == 190
    with pytest.raises(KeyError):
        PoweredClock("four", {})


def test_refusals_in_a_row_are_counted_until_something_is_delivered(bench: Bench) -> None:
    bench.receiver.away.set()
    bench.spool.push(alert())
    delivery = bench.begin()
    wait_for(lambda: bench.counts.consecutive_failures >= 3, "it is tried again and again")
    bench.receiver.away.clear()
    wait_for(lambda: bench.counts.delivered == 1, "the receiver is back")
    assert bench.counts.consecutive_failures == 0
    finish(delivery)
