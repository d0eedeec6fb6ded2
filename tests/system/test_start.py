"""A whole cell: what stopped the axes may be gone, reset, restarted; they move when somebody starts them."""

from __future__ import annotations

import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack.process.nonrt_client import ask
from fieldstack.status.endpoint import read_endpoint
from fieldstack_rt.datastore.layout import Stop
from tests.system.running_cell import CONFIG, SHIPPED_POLICY, RunningCell, policy_file, wait_for

pytestmark = pytest.mark.system
DIO = 4
BUTTON = "start_input: {slave: dio, input: in-1}\n"


@pytest.fixture
def button(tmp_path: Path) -> Path:
    bus = tmp_path / "bus.yaml"
    bus.write_text((CONFIG / "ethercat/cell.yaml").read_text(encoding="utf-8") + BUTTON, encoding="utf-8")
    return bus


def positions(cell: RunningCell) -> list[float]:
    return [slave.position for slave in cell.segment.truth()[:4]]


def stands_and_waits(cell: RunningCell, because: str) -> None:
    """By the cell's own word and by the motors' truth: ready, under power, and nothing moves."""
    cell.await_snapshot(
        lambda s: (
            s["operational"]
            and s["motion"]["stop_reason"] == "START"
            and list(s["motion"]["waits_for_start"]) == ["x", "y", "z", "c"]
        ),
        "ready, it waits for nothing but a start",
    )
    cell.await_snapshot(lambda s: because in s["ha"]["reason"], f"it says why: {because}")
    assert "ready, waits for start (fieldstack start)" in cell.snapshot()["ha"]["reason"]
    stood = positions(cell)
    cell.await_passes(50)
    assert max(abs(now - before) for now, before in zip(positions(cell), stood, strict=True)) < 50
    assert cell.store.rt_status().stop_reason == Stop.START


def estop_and_reset(cell: RunningCell) -> None:
    cell.command("estop", "--reason", "hand in the way")
    cell.await_ha("SAFE_MODE")
    refused = cell.command("start")
    assert refused.returncode == 8
    assert "hand in the way" in refused.stderr
    assert "fieldstack reset" in refused.stderr
    cell.reset()


def test_a_reset_is_no_start(start_cell: Any) -> None:
    cell = start_cell(policy=SHIPPED_POLICY)
    cell.await_motion()
    estop_and_reset(cell)
    stands_and_waits(cell, "hand in the way")
    assert ready(cell) == 200
    text = (Path(__file__).parent / "../../config/tasks/park.yaml").read_text(encoding="utf-8")
    assert "fieldstack start" in submitted(cell, text)

    os.kill(cell.pid("nonrt"), signal.SIGKILL)
    cell.await_snapshot(lambda s: s["nonrt"]["state"] == "running", "Non-RT is back")
    stands_and_waits(cell, "hand in the way")
    since = cell.last_event()
    cell.start()
    cell.await_motion()
    told = cell.await_event(since, EventKind.OPERATOR_REQUEST, request="start")
    assert "started: x, y, z, c" in told.data["outcome"]
    assert told.data["by"]

    cell.segment.cut_cable(2)
    cell.await_ha("SAFE_MODE")
    cell.segment.heal_cable()
    stands_and_waits(cell, "working counter")
    cell.start()
    cell.await_motion()


def ready(cell: RunningCell) -> int:
    endpoint = read_endpoint(cell.instance)
    assert endpoint is not None
    with urllib.request.urlopen(f"{endpoint.url}/readyz", timeout=5) as answer:
        return int(answer.status)


def submitted(cell: RunningCell, text: str) -> str:
    from fieldstack.tasks.control.client import ask as ask_core

    return str(ask_core(cell.instance, "submit", text=text, file="park.yaml", by="Ann").message)


def hasty(policy: dict[str, Any]) -> None:
    for rule in policy["rules"]:
        if rule["name"] == "rt-dead":
            rule["resume_within_ms"] = 1


def test_after_a_longer_stand_a_crash_waits_too(start_cell: Any, tmp_path: Path) -> None:
    cell = start_cell(policy=policy_file(tmp_path, hasty))
    cell.await_motion()
    os.kill(cell.pid("rt"), signal.SIGKILL)
    stands_and_waits(cell, "is dead")
    cell.start()
    cell.await_motion()


def test_the_start_input_counts_when_it_rises_after_it_was_seen_low(start_cell: Any, button: Path) -> None:
    cell = start_cell(bus=button)
    cell.await_motion()
    cell.segment.set_inputs(DIO, 1)
    assert ask(cell.instance, "estop", reason="test").accepted
    cell.await_ha("SAFE_MODE")
    cell.reset()
    stands_and_waits(cell, "EMERGENCY_STOP")  # it is held down all along
    cell.segment.set_inputs(DIO, 0)
    cycle = int(cell.store.rt_status().cycle)
    wait_for(lambda: cell.store.rt_status().cycle > cycle + 20, "it is seen low")
    since = cell.last_event()
    cell.segment.set_inputs(DIO, 1)
    cell.await_motion()
    assert cell.await_event(since, EventKind.ACTION_DONE, action="START").data["rule"] == "start-input"
    assert not cell.snapshot()["motion"]["waits_for_start"]
