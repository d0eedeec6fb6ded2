"""A part of supervision that raises in a live cell: axes stop in time, and it sees again by itself."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack.ha.model.measures import FACTS_BY_PROBE
from fieldstack.process.nonrt_client import ask
from tests.system.running_cell import wait_for

pytestmark = pytest.mark.system

DRIVE_FAULT = 0x8611
X = 0
BLIND_MS = 1500
STOP_BOUND_MS = 400
"""`target_ms` of the rule axes-unseen."""
NOISE_MS = 400
"""What a busy machine may take away of the passes' time."""


def test_a_drive_fault_behind_a_blind_probe_finds_axes_that_stand(start_cell: Any) -> None:
    cell = start_cell()
    cell.await_motion()
    since, began_ns = cell.last_event(), time.monotonic_ns()
    assert ask(cell.instance, "inject", probe="axes", for_ms=BLIND_MS).accepted
    stopped = cell.await_event(since, EventKind.ACTION_DONE, action="SAFE_MODE_ENTER", rule="axes-unseen")
    assert (stopped.t_ns - began_ns) / 1e6 <= STOP_BOUND_MS + NOISE_MS
    cell.segment.drive_fault(X, DRIVE_FAULT)
    told = ask(cell.instance, "status").data["status"]
    (blind,) = told["blind"]
    assert (blind["subject"], blind["facts"]) == ("probe:axes", sorted(FACTS_BY_PROBE["probe:axes"]))
    assert {one["rule"]: one["stale"] for one in told["rules"]} == {
        "probe-blind": False,
        "axes-unseen": False,
    }
    cell.await_event(since, EventKind.ALERT, rule="probe-blind")
    failed = next(one for one in cell.events(since, EventKind.SUPERVISION) if "probe:axes failed" in one.text)
    assert "InjectedError" in failed.data["traceback"]

    cell.await_event(since, EventKind.ALERT, rule="drive-fault")
    told = ask(cell.instance, "status").data["status"]
    assert not told["blind"]
    wait_for(lambda: "axes-unseen" not in rules(cell), "it is trusted again")


def rules(cell: Any) -> set[str]:
    return {one["rule"] for one in ask(cell.instance, "status").data["status"]["rules"]}
