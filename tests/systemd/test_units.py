"""The units as files, and what a person reads when something of a cell is not as it should be."""

from __future__ import annotations

import pytest

from tests.systemd.machine import Machine
from tests.systemd.systemd_cell import SystemdCell, wait_for

RUN = "/opt/fieldstack/bin/fieldstack-nonrt run --settings /nowhere.json"
DROP_IN = rf"[Service]\nExecStart=\nExecStart={RUN}\n"

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


def test_systemd_finds_nothing_wrong_with_the_units(machine: Machine) -> None:
    names = ["fieldstack@bench.target"]
    names += [
        f"fieldstack-{name}@bench.service" for name in ("prepare", "segment", "nonrt", "rt", "core", "health")
    ]
    names += ["fieldstack-alert@fieldstack-nonrt@bench.service.service"]
    done = machine.run("systemd-analyze", "verify", *names)
    assert done.stdout + done.stderr == ""


def test_a_wrong_configuration_fails_the_start_and_says_what_is_wrong(machine: Machine) -> None:
    started = machine.run("systemctl", "start", "fieldstack@wrong.target", check=False)
    assert started.returncode != 0
    unit = "fieldstack-prepare@wrong.service"
    assert machine.show(unit, "ExecMainStatus") == {"ExecMainStatus": "3"}
    text = machine.run("systemctl", "status", "--no-pager", "--full", unit, check=False).stdout
    assert "/etc/fieldstack/wrong.yaml" in text
    assert "priorty" in text
    assert machine.show("fieldstack-nonrt@wrong.service", "ActiveState") == {"ActiveState": "inactive"}


def test_last_words_of_rt_reach_the_event_log_and_the_status(machine: Machine) -> None:
    cell = SystemdCell(machine, "nowire")  # its segment is not enabled: RT finds no interface
    try:
        machine.run("systemctl", "start", cell.target)
        wait_for(lambda: cell.events("process.ended"), "RT gives up")
        assert "exit status 4" in cell.events("process.ended")[0]["text"]
        assert "fs-nowire-m" in cell.events("process.ended")[0]["text"]
        wait_for(lambda: "fs-nowire-m" in cell.show("rt", "StatusText"), "the unit's status text")
    finally:
        cell.stop()
        cell.close()


def test_settings_that_can_not_be_used_are_not_tried_again(machine: Machine) -> None:
    folder = "/run/systemd/system/fieldstack-nonrt@wrong2.service.d"
    machine.run("mkdir", "-p", folder)
    machine.run("sh", "-c", f"printf '{DROP_IN}' > {folder}/settings.conf")
    machine.run("systemctl", "daemon-reload")
    unit = "fieldstack-nonrt@wrong2.service"
    machine.run("sh", "-c", "cp /etc/fieldstack/bench.yaml /etc/fieldstack/wrong2.yaml")
    machine.run("systemctl", "start", unit, check=False)
    found = machine.show(unit, "ActiveState", "NRestarts", "ExecMainStatus", "StatusText")
    assert (found["ActiveState"], found["NRestarts"], found["ExecMainStatus"]) == ("failed", "0", "3")
    assert "/nowhere.json" in found["StatusText"]
