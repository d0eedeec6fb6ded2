"""The process manager over D-Bus, on a unit of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.systemd.machine import Machine
from tests.systemd.systemd_cell import FOLDERS

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

UNIT = "fieldstack-probe.service"
TEXT = "[Service]\\nExecStart=/bin/sleep 1000\\n"


def test_a_bus_that_does_not_answer_blocks_nothing_and_hides_no_death(machine: Machine) -> None:
    machine.run("sh", "-c", f"printf '{TEXT}' > /run/systemd/system/{UNIT}")
    machine.run("systemctl", "daemon-reload")
    machine.run("busctl", "--system", "list")  # the bus daemon is up from here on
    daemon = machine.show("dbus.service", "MainPID")["MainPID"]
    script = str(Path(__file__).with_name("frozen_bus.py"))
    done = machine.run("env", f"PYTHONPATH={':'.join(FOLDERS)}", sys.executable, script, UNIT, daemon)
    seen = json.loads(done.stdout)
    assert seen["longest_s"] < 1.0  # an answer of the bus was 10 s away
    assert seen["same"]
    assert seen["ended"] == "ended (systemd did not say how: that counts as a failure)"
    assert seen["pending"] == [0, -1]
    assert seen["another"]  # ordered while the bus stood still, carried out when it was back
    assert seen["stopped"] == [True, "killed by SIGTERM"]
    assert "given up" in seen["given_up"]
    assert machine.show(UNIT, "MainPID")["MainPID"] == "0", "nothing was started after the order to stop"
