"""Non-RT's port to the service: an alert counts as sent when nothing can lose it; a kill loses none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fieldstack.alerts import disk_writer
from fieldstack.alerts.service import RECORD, folder_of
from fieldstack.alerts.spool import waiting_on_disk
from fieldstack.events.kinds import EventKind
from fieldstack.events.log import EventLog
from fieldstack.ha.actuators.alerts import Alerts, Sent, open_alerts
from fieldstack_base.durable import DurableRecord
from fieldstack_base.instance import Instance
from tests.alerts.receivers import Webhook, section, wait_for, webhook
from tests.repository import ROOT


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    made = Instance(f"a{os.getpid()}")
    made.prepare()
    return made


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


def settings(folder: Path, hook: Webhook) -> Path:
    file = folder / "alerts.json"
    channel = {"webhook": {"url": hook.url, "timeout_s": 1.0}, "min_severity": "info"}
    file.write_text(section(ops=channel).model_dump_json())
    return file


class CellStart:
    """What a Non-RT process has of alerts."""

    def __init__(self, file: Path, instance: Instance) -> None:
        self.log = EventLog(instance.state_dir, sync=False)
        self.alerts: Alerts = open_alerts(str(file), instance, self.log)

    def send(self, rule: str) -> Sent:
        event = self.log.append(EventKind.ALERT, rule=rule, fact_subject="fieldstack-rt", cause="it is so")
        return self.alerts.send(event)


@contextmanager
def life(file: Path, instance: Instance) -> Iterator[CellStart]:
    made = CellStart(file, instance)
    try:
        yield made
    finally:
        made.alerts.close()
        made.log.close()


def test_sent_is_what_is_on_the_disk_or_delivered(instance: Instance, hook: Webhook, tmp_path: Path) -> None:
    hook.behave = 500
    with life(settings(tmp_path, hook), instance) as now:
        early = now.send("early")
        assert "has not begun" in now.alerts.awaited(early)
        now.alerts.start()
        wait_for(lambda: not now.alerts.awaited(early), "it is kept")
        assert waiting_on_disk(folder_of(instance.state_dir) / "ops") == 1
        again = now.send("early")
        wait_for(lambda: not now.alerts.awaited(again), "receivers are told of that already")


def test_what_no_disk_takes_is_not_sent_until_a_receiver_has_it(
    instance: Instance, hook: Webhook, tmp_path: Path
) -> None:
    folder_of(instance.state_dir).write_text("not a folder")
    hook.hang.set()
    with life(settings(tmp_path, hook), instance) as now:
        now.alerts.start()
        sent = now.send("r")
        wait_for(lambda: "Not a directory" in now.alerts.awaited(sent), "the disk refuses it")
        hook.hang.clear()
        wait_for(lambda: not now.alerts.awaited(sent), "it is delivered")


def test_a_service_that_can_not_be_made_sends_nothing(tmp_path: Path) -> None:
    def make() -> None:
        raise ValueError("no such channel")

    log = EventLog(tmp_path, sync=False)
    alerts = Alerts(make)  # type: ignore[arg-type]
    sent = alerts.send(log.append(EventKind.ALERT, rule="r", cause="it is so"))
    alerts.start()
    wait_for(lambda: "no such channel" in alerts.awaited(sent), "it says why")
    log.close()


KILLED = """
import sys, time
from pathlib import Path
from tests.alerts.test_port import CellStart
from fieldstack_base.instance import Instance
now = CellStart(Path({file!r}), Instance({name!r}))
if {begun}:
    now.alerts.start()
    while now.alerts.service is None:
        time.sleep(0.001)
sent = now.send("told")
now.log.flush()
while {begun} and now.alerts.awaited(sent):
    time.sleep(0.001)
print("sent", flush=True)
time.sleep(60)
"""


def killed(file: Path, instance: Instance, *, begun: bool) -> None:
    """A Non-RT process that is killed: before its alert service had begun, or with the alert on the disk."""
    script = KILLED.format(file=str(file), name=instance.name, begun=begun)
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "sent\n"
            if begun:
                wait_for(lambda: taken(instance), "that is written down")
        finally:
            os.kill(child.pid, signal.SIGKILL)


def taken(instance: Instance) -> int:
    return int((DurableRecord(instance.state_dir, RECORD).load().data or {}).get("taken", 0))


def test_what_a_killed_process_had_no_time_to_send_its_successor_sends_once(
    instance: Instance, hook: Webhook, tmp_path: Path
) -> None:
    file = settings(tmp_path, hook)
    killed(file, instance, begun=False)
    with life(file, instance) as now:
        own = now.send("own")
        now.alerts.start()
        wait_for(lambda: len(hook.taken) == 2, "both have come")
        assert [one["rule"] for one in hook.taken] == ["told", "own"]
        assert "it is so (of 20" in hook.taken[0]["text"]
        wait_for(lambda: not now.alerts.awaited(own), "all is kept")
    with life(file, instance) as now:
        now.alerts.start()
        last = now.send("last")
        wait_for(lambda: not now.alerts.awaited(last), "kept")
        wait_for(lambda: len(hook.taken) >= 3, "it has come")
        assert [one["rule"] for one in hook.taken] == ["told", "own", "last"]


def test_what_was_on_the_disk_when_its_process_was_killed_is_sent_once(
    instance: Instance, hook: Webhook, tmp_path: Path
) -> None:
    file = settings(tmp_path, hook)
    hook.hang.set()
    killed(file, instance, begun=True)
    hook.hang.clear()
    with life(file, instance) as now:
        now.alerts.start()
        last = now.send("last")
        wait_for(lambda: not now.alerts.awaited(last), "kept")
        wait_for(lambda: "last" in [one["rule"] for one in hook.taken], "it has come")
    assert len({one["id"] for one in hook.taken if one["rule"] == "told"}) == 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_writer, "RETRY_S", 0.05)
