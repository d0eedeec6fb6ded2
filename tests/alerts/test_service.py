"""The service with real receivers: nothing blocks, nothing is lost, order is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldstack.alerts import backoff
from fieldstack.alerts.model.alert import Report
from fieldstack.alerts.service import RECORD, AlertService, folder_of
from fieldstack.alerts.spool import waiting_on_disk
from fieldstack.events.kinds import Severity
from fieldstack_base.durable import DurableRecord
from tests.alerts.receivers import Webhook, report, section, wait_for, webhook
from tests.repository import ROOT


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_NS", 20_000_000)
    monkeypatch.setattr(backoff, "MAX_DELAY_NS", 100_000_000)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


def to(hook: Webhook, **changes: Any) -> dict[str, Any]:
    return {"webhook": {"url": hook.url, "timeout_s": 1.0}, "burst": 1000, "min_severity": "info"} | changes


class Running:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services = list[AlertService]()

    def __call__(self, window_s: float = 300, **channels: dict[str, Any]) -> AlertService:
        service = AlertService(section(window_s, **channels), "cell", self.folder).start()
        self.services.append(service)
        return service


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    for service in made.services:
        service.close()


def test_a_storm_is_one_alert_with_a_count(running: Running, hook: Webhook) -> None:
    service = running(1.0, ops=to(hook))
    for _ in range(500):
        service.raise_(report())
    wait_for(lambda: sum(one["count"] for one in hook.taken) == 500, "all are counted")
    assert len(hook.taken) == 2
    assert len({one["incident"] for one in hook.taken}) == 1


def test_a_condition_that_has_gone_is_told_as_resolved(running: Running, hook: Webhook) -> None:
    service = running(ops=to(hook))
    active = frozenset({("rt-dead", "fieldstack-rt")})
    service.raise_(report())
    service.set_active(active)
    service.set_active(active)
    wait_for(lambda: hook.taken, "the alert")
    service.set_active(frozenset())
    wait_for(lambda: len(hook.taken) == 2, "its resolution")
    first, second = hook.taken
    assert (first["state"], second["state"]) == ("firing", "resolved")
    assert first["incident"] == second["incident"]


def test_a_dead_receiver_gets_everything_in_order_when_it_is_back(running: Running) -> None:
    with webhook() as gone:
        port = gone.port
        service = running(ops=to(gone))
    for number in range(30):
        service.raise_(report(rule=f"r{number:02}"))
    wait_for(lambda: service.status()["channels"]["ops"]["failed"] >= 2, "it was tried again")
    with webhook(port) as back:
        wait_for(lambda: len(back.taken) >= 30, "all have come")
        assert [one["rule"] for one in back.taken] == [f"r{n:02}" for n in range(30)]
        wait_for(lambda: not service.status()["channels"]["ops"]["failing"], "it is well again")


def test_a_hanging_receiver_holds_up_nobody_else(running: Running, hook: Webhook) -> None:
    with webhook() as other:
        hook.hang.set()
        service = running(slow=to(hook), quick=to(other))
        begin = time.monotonic()
        for number in range(50):
            service.raise_(report(rule=f"r{number}"))
        took_s = time.monotonic() - begin
        wait_for(lambda: len(other.taken) == 50, "the other channel has all")
        assert hook.taken == []
        hook.hang.clear()
        wait_for(lambda: len(set(hook.ids())) == 50, "the slow one, too")
        assert took_s < 1.0


def test_what_will_never_be_taken_does_not_hold_up_the_rest(running: Running, hook: Webhook) -> None:
    hook.behave = 422
    service = running(ops=to(hook))
    service.raise_(report(rule="poison"))
    wait_for(lambda: service.status()["channels"]["ops"]["dropped"], "it is given up")
    hook.behave = 200
    service.raise_(report(rule="good"))
    wait_for(lambda: [one["rule"] for one in hook.taken] == ["good"], "the next one came")
    assert "422" in service.status()["channels"]["ops"]["last_error"]


def test_severity_decides_who_is_told(running: Running, hook: Webhook) -> None:
    with webhook() as pager:
        service = running(all=to(hook), pager=to(pager, min_severity="critical"))
        service.raise_(report(rule="mild", severity=Severity.WARNING))
        service.raise_(report(rule="bad", severity=Severity.CRITICAL))
        wait_for(lambda: len(hook.taken) == 2 and len(pager.taken) == 1, "both were told")
        assert pager.taken[0]["rule"] == "bad"


def test_the_rate_limit_ends_in_a_summary(running: Running, hook: Webhook) -> None:
    service = running(ops=to(hook, burst=2, per_minute=120))
    for number in range(10):
        service.raise_(report(rule=f"r{number}"))
    wait_for(lambda: len(hook.taken) == 3, "two alerts and a summary")
    assert hook.taken[2]["state"] == "summary"
    assert "8 alerts were held back" in hook.taken[2]["text"]


def test_a_restart_of_the_threads_loses_nothing(running: Running, hook: Webhook) -> None:
    hook.behave = 500
    service = running(ops=to(hook))
    for number in range(5):
        service.raise_(report(rule=f"a{number}"))
    wait_for(lambda: hook.attempts, "it tries")
    beat = service.beat
    service.restart()
    hook.behave = 200
    for number in range(5):
        service.raise_(report(rule=f"b{number}"))
    wait_for(lambda: len(set(hook.ids())) == 10, "all ten")
    wait_for(lambda: service.beat > beat and service.alive, "it beats")
    assert [one["rule"] for one in hook.taken][-5:] == [f"b{n}" for n in range(5)]


def test_a_delivery_thread_that_hangs_for_ever_is_replaced(
    running: Running, tmp_path: Path, hook: Webhook
) -> None:
    service = running(ops=to(hook))
    pipeline = service._pipelines[0]
    wait_for(lambda: pipeline.delivery.alive, "it runs")
    stuck = pipeline.delivery
    stuck._busy_since_ns = 1  # as in a name look-up without end
    wait_for(lambda: pipeline.delivery is not stuck, "another one")
    service.raise_(report())
    wait_for(lambda: hook.taken, "and it delivers")
    assert tmp_path


def test_reports_never_wait_and_the_inbox_is_bounded(tmp_path: Path, hook: Webhook) -> None:
    service = AlertService(section(ops=to(hook)), "cell", tmp_path)  # not started: nobody takes them out
    for _ in range(10_050):
        service.raise_(report())
    assert service.overflow == 50


CHILD = """
import sys, time
from pathlib import Path
from tests.alerts.receivers import report, section
from fieldstack.alerts.service import AlertService
channels = {{"ops": {{"webhook": {{"url": {url!r}, "timeout_s": 1.0}}, "burst": 1000}}}}
service = AlertService(section(**channels), "cell", Path({folder!r})).start()
for number in range(20):
    service.raise_(report(rule=f"r{{number:02}}", lasting=True))
service.set_active(frozenset((f"r{{number:02}}", "fieldstack-rt") for number in range(20)))
print("raised", flush=True)
time.sleep(60)
"""


def _kept(folder: Path) -> int:
    """How many firing incidents are on disk."""
    data = DurableRecord(folder, RECORD).load().data
    return len(data["incidents"]) if data else 0


def test_what_waits_outlives_a_kill_and_what_was_firing_is_resolved(tmp_path: Path, running: Running) -> None:
    with webhook() as gone:
        port, url = gone.port, gone.url
    script = CHILD.format(url=url, folder=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        child.stdout.readline()
        spool = folder_of(tmp_path) / "ops"
        wait_for(lambda: waiting_on_disk(spool) == 20, "all are on disk")
        wait_for(lambda: _kept(tmp_path) == 20, "what is firing is on disk")
        os.kill(child.pid, signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    with webhook(port) as back:
        service = running(ops=to(back))
        wait_for(lambda: len(back.taken) == 20, "all came after the restart")
        assert [one["rule"] for one in back.taken] == [f"r{n:02}" for n in range(20)]
        service.set_active(frozenset())
        wait_for(lambda: len(back.taken) == 40, "all are resolved")
        assert {one["state"] for one in back.taken[20:]} == {"resolved"}
        wait_for(lambda: waiting_on_disk(spool) == 0, "nothing waits")


def test_a_report_takes_microseconds(tmp_path: Path) -> None:
    service = AlertService(section(), "cell", tmp_path)
    one = Report("r", "s", "text")
    begin = time.perf_counter()
    for _ in range(1000):
        service.raise_(one)
    assert (time.perf_counter() - begin) / 1000 < 0.001
