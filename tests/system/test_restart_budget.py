"""Too many restarts: the cell stays stopped and says so until a person resets it, whoever dies meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from tests.system.running_cell import RunningCell, policy_file, wait_for

pytestmark = pytest.mark.system


def two_restarts(policy: dict[str, Any]) -> None:
    for process in policy["processes"]:
        process["max_restart_count"] = 2
        process["restart_backoff_initial_ms"] = 50
    nonrt = next(one for one in policy["budgets"] if one["subject"] == "fieldstack-nonrt")
    nonrt |= {"max_restart_count": 2, "restart_window_sec": 600}


def kill(cell: RunningCell, process: str) -> int:
    pid = cell.pid(process)
    os.kill(pid, signal.SIGKILL)
    return pid


def kill_and_await_another(cell: RunningCell, process: str) -> None:
    pid = kill(cell, process)
    cell.await_snapshot(
        lambda s: s[process]["state"] == "running" and s[process]["pid"] != pid, f"{process} is back"
    )


def rt_starts(cell: RunningCell, since: int) -> int:
    return sum(e.data["process"] == "fieldstack-rt" for e in cell.events(since, EventKind.PROCESS_STARTED))


def test_a_spent_budget_waits_for_a_person_and_outlives_the_non_rt_process(
    start_cell: Any, tmp_path: Path
) -> None:
    cell = start_cell(policy=policy_file(tmp_path, two_restarts))
    cell.await_operational()
    kill_and_await_another(cell, "rt")
    cell.await_ha("OPERATIONAL")
    kill_and_await_another(cell, "nonrt")  # the restart before it still counts
    cell.await_ha("OPERATIONAL")
    kill_and_await_another(cell, "rt")
    cell.await_ha("OPERATIONAL")
    kill(cell, "rt")
    found = cell.await_ha("MANUAL_INTERVENTION")
    assert "restarted 2 times" in found["ha"]["reason"]
    assert "allowed: 2" in found["ha"]["reason"]
    wait_for(cell.all_safe, "outputs are safe")

    since = cell.last_event()
    cell.await_passes(50)
    code, status = cell.status()
    assert (code, status["operational"], status["live"]) == (7, False, False)
    assert (status["rt"]["state"], status["nonrt"]["state"]) == ("dead", "running")
    assert status["rt"]["since"]
    assert (status["bus"]["wkc"], status["guard"]["outputs_safe"]) == (None, True)
    assert ("POLICY", "on_reset") in [(s["source"], s["clear"]) for s in status["estop"]["sources"]]

    kill_and_await_another(cell, "nonrt")
    cell.await_ha("MANUAL_INTERVENTION")
    cell.await_passes(50)
    assert rt_starts(cell, since) == 0
    assert cell.all_safe()

    cell.reset_and_start()
    cell.await_motion()
    assert rt_starts(cell, since) == 1
    assert not cell.snapshot()["estop"]["latched"]

    since = cell.last_event()
    kill_and_await_another(cell, "nonrt")  # the third: whoever restarts it would do so for ever
    found = cell.await_ha("MANUAL_INTERVENTION")
    assert "fieldstack-nonrt ended unasked, and was restarted 2 times" in found["ha"]["reason"]
    alert = cell.await_event(since, EventKind.ALERT, rule="restart-budget-spent")
    assert "fieldstack-nonrt ended unasked" in alert.text
    cell.await_stand()
    told = [one for one in cell.events(0, EventKind.ALERT) if one.data["rule"] == "nonrt-restarted"]
    assert len(told) == 2
    cell.reset_and_start()
    cell.await_motion()
