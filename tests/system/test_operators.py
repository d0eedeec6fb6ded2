"""What people ask of a live cell is carried out, read back, and taken down with who asked."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack.process.nonrt_client import ask
from tests.system.running_cell import CONFIG, RunningCell, StartCell, policy_file, wait_for

pytestmark = pytest.mark.system
DRIVE_FAULT = 0x8611


def nonrt_status(cell: RunningCell) -> dict[str, Any]:
    status: dict[str, Any] = ask(cell.instance, "status").data["status"]
    return status


def test_a_module_is_restarted_while_the_rest_goes_on(cell: RunningCell) -> None:
    cell.await_motion()
    before, passes = cell.snapshot(), cell.store.nonrt_beat
    since = cell.last_event()
    done = cell.command("restart", "module:prediction", "--by", "Ann", "--note", "try")
    assert done.returncode == 0, done.stderr
    wait_for(
        lambda: nonrt_status(cell)["modules"]["module:prediction"] == {"starts": 2, "trouble": ""},
        "prediction is back",
    )
    asked = cell.await_event(since, EventKind.OPERATOR_REQUEST, request="restart")
    assert (asked.data["by"], asked.data["subject"]) == ("Ann", "module:prediction")
    cell.await_operational()
    after = cell.snapshot()
    assert [after[one]["pid"] for one in ("rt", "nonrt", "core")] == [
        before[one]["pid"] for one in ("rt", "nonrt", "core")
    ]
    assert after["cycle"]["cycles"] > before["cycle"]["cycles"]
    assert cell.store.nonrt_beat > passes


def test_the_policy_is_replaced_as_a_whole_or_not_at_all(cell: RunningCell, tmp_path: Path) -> None:
    policy = json.loads((CONFIG / "ha/failover_policy.json").read_text(encoding="utf-8"))
    file = tmp_path / "other.json"
    file.write_text(json.dumps(policy | {"rules": policy["rules"][:3]}), encoding="utf-8")
    before, timeout = nonrt_status(cell)["policy"], cell.store.agent_timeout_ns
    refused = cell.command("policy", "reload", str(file))
    assert refused.returncode == 1
    assert "unchanged" in refused.stderr
    assert "other.json" in refused.stderr
    assert (nonrt_status(cell)["policy"], cell.store.agent_timeout_ns) == (before, timeout)
    policy["rt_agent"] = policy.get("rt_agent", {}) | {"nonrt_timeout_ms": 700}
    file.write_text(json.dumps(policy), encoding="utf-8")
    taken = cell.command("policy", "reload", str(file))
    assert taken.returncode == 0, taken.stderr
    assert "RT shows its rt_agent" in taken.stdout
    assert int(cell.store.rt_status().agent.timeout_ns) == 700_000_000
    assert nonrt_status(cell)["policy"]["file"] == str(file)


def test_a_rule_may_wait_for_a_persons_ack_and_remembers_who(start_cell: StartCell, tmp_path: Path) -> None:
    def look_at_core(policy: dict[str, Any]) -> None:
        asks = {"action": "AWAIT_MANUAL", "until": "ack"}
        rule = {"name": "look-at-core", "fact": "process_dead", "subject": "fieldstack-core"}
        policy["rules"].append(rule | {"actions": [asks], "clear": {"when": "gone"}})

    cell = start_cell(policy=policy_file(tmp_path, look_at_core))
    cell.await_motion()
    since = cell.last_event()
    os.kill(cell.pid("core"), signal.SIGKILL)
    cell.await_ha("MANUAL_INTERVENTION")
    assert not ask(cell.instance, "ack", by="", note="").accepted
    acknowledged = cell.command("ack", "--by", "Ann", "--note", "new memory module")
    assert acknowledged.returncode == 0, acknowledged.stderr
    told = cell.await_event(since, EventKind.OPERATOR_REQUEST, request="ack")
    assert told.data["by"] == "Ann"
    assert "new memory module" in told.data["outcome"]
    cell.await_operational()
    cell.start()
    cell.await_motion()


def test_a_reset_tells_which_drive_stays_in_fault(cell: RunningCell) -> None:
    cell.await_motion()
    slave, since = cell.plan.axes[0].slave, cell.last_event()
    cell.segment.drive_fault(slave, DRIVE_FAULT)
    cell.await_event(since, EventKind.RT, code="axis_fault")
    cleared = ask(cell.instance, "reset", 10.0, by="Ann", note="looked at it")
    state = cell.snapshot()["axes"][0]["state"]
    assert ("no axis in fault" in cleared.message) == cleared.accepted == (state != "FAULT")


def override(cell: RunningCell, percent: int) -> bool:
    """Asked of Core, and in effect there."""
    wanted = percent * 10
    return cell.store.speed_override == wanted and int(cell.store.core_status().speed_override) == wanted


def test_a_cell_is_slow_while_a_person_wants_it(cell: RunningCell) -> None:
    unknown = cell.command("request", "slwo", "--by", "Ann")
    assert unknown.returncode == 1
    assert "the policy in force knows: slow" in unknown.stderr
    since = cell.last_event()
    asked = cell.command("request", "slow", "--by", "Ann", "--note", "people inside")
    assert asked.returncode == 0, asked.stderr
    wait_for(lambda: override(cell, 25), "the cell is slow")
    told = cell.await_event(since, EventKind.OPERATOR_REQUEST, request="request")
    assert (told.data["by"], told.data["note"], told.data["subject"]) == (
        "Ann", "people inside", "operator:slow",
    )  # fmt: skip
    ha = nonrt_status(cell)["ha"]
    assert {"rule": "slow-asked-for", "subject": "operator:slow"} in ha["held_by"]
    cell.await_snapshot(
        lambda s: "asked for by Ann (people inside)" in s["ha"]["reason"], "who asked is seen"
    )
    assert ask(cell.instance, "request", by="Ann", word="slow", off=True).accepted
    wait_for(lambda: override(cell, 100), "the cell has its speed back")
    assert ask(cell.instance, "request", by="Bob", word="slow").accepted
    wait_for(lambda: override(cell, 25), "the cell is slow again")
    cell.reset()
    wait_for(lambda: override(cell, 100), "a reset ends it, too")
