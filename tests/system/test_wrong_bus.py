"""What is on the wire is not what the configuration says: no OP, and both sides are named."""

from __future__ import annotations

from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack_ethercat.wire.al import AlState
from tests.system.running_cell import RunningCell, wait_for

pytestmark = pytest.mark.system


WRONG = {
    "too-few": ("drive*3", "drive-4", "missing", "on the wire no slave"),
    "other-order": ("drive*3,dio,drive", "configured 0x00000402", "on the wire 0x00000101"),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_does_not_go_to_op_and_says_what_differs(start_cell: Any, what: str) -> None:
    """At once: another start cannot change the bus, so no restart is spent on it."""
    devices, *named = WRONG[what]
    cell = start_cell(segment={"devices": devices})
    found = cell.await_ha("MANUAL_INTERVENTION")
    diagnosis = found["bus"]["diagnosis"]
    assert all(text in diagnosis for text in named), diagnosis
    wait_for(lambda: _alert_names(cell, named), "the alert names both sides")
    assert all(slave.al_state != AlState.OP for slave in cell.segment.truth())
    assert all(not any(slave.outputs) for slave in cell.segment.truth())
    wait_for(lambda: all(text in cell.output() for text in named), "`up` says so")
    assert not [event for event in cell.events() if "REBOOT_PROCESS" in event.text]
    assert cell.status()[0] == 7


def _alert_names(cell: RunningCell, named: list[str]) -> bool:
    return any(all(text in event.text for text in named) for event in cell.events(kind=EventKind.ALERT))
