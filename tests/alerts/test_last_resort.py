"""An alert without a Non-RT process: it is taken in, delivered, and resolved by the next Non-RT process."""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path

import pytest

from fieldstack.alerts import last_resort
from fieldstack.alerts.model.alert import Report
from fieldstack.alerts.model.settings import AlertsSection, ChannelSection, CommandSection
from fieldstack.alerts.service import AlertService
from fieldstack.events.kinds import Severity
from fieldstack_base.instance import Instance

UNIT = "fieldstack-nonrt@press-2.service"
_numbers = count()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    made = Instance(f"l{os.getpid()}-{next(_numbers)}")
    made.prepare()
    return made


def _section(instance: Instance, *argv: str) -> AlertsSection:
    section = AlertsSection(channels={"ops": ChannelSection(command=CommandSection(argv=list(argv)))})
    (instance.runtime_dir / last_resort.SETTINGS).write_text(section.model_dump_json())
    return section


def _report() -> Report:
    why = {"MONITOR_SERVICE_RESULT": "start-limit-hit", "MONITOR_EXIT_STATUS": "SEGV"}
    return last_resort.systemd_gave_up(UNIT, "nonrt", "press-2", "RT cycles, no axis is under power", why)


def test_what_happened_why_and_what_comes_next() -> None:
    report = _report()
    assert (report.severity, report.subject) == (Severity.CRITICAL, "fieldstack-nonrt")
    for word in (
        UNIT,
        "start-limit-hit SEGV",
        "RT cycles",
        "journalctl -u",
        "reset-failed",
        "@press-2.target",
    ):
        assert word in report.text


def test_it_is_delivered_at_once(instance: Instance, tmp_path: Path) -> None:
    _section(instance, "/bin/sh", "-c", f"cat >{tmp_path}/told")
    assert last_resort.send_directly(instance, _report()) == "alert sent by ops"
    told = json.loads((tmp_path / "told").read_text())
    assert (told["rule"], told["state"], told["severity"]) == ("given-up", "firing", "critical")


def test_what_a_receiver_does_not_take_waits_on_the_disk(instance: Instance) -> None:
    section = _section(instance, "/bin/false")
    said = last_resort.send_directly(instance, _report(), timeout_s=0.5)
    assert said == "alert sent by ops; 1 message(s) wait for the next Non-RT process"
    later = AlertService(section, instance.name, instance.state_dir)
    assert later.status()["channels"]["ops"]["queued"] == 1
    assert [one["rule"] for one in later.status()["firing"]] == ["given-up"]


def test_settings_that_can_not_be_read_cost_the_channels_not_the_alert(instance: Instance) -> None:
    said = last_resort.send_directly(instance, _report(), timeout_s=0.5)
    assert "alerts.json cannot be used" in said
    assert "alert sent by journal" in said
