"""A cut cable and a slave without power while the axes move: stop, say where, come back by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt.datastore.layout import Stop
from tests.system.running_cell import CONFIG, RunningCell, policy_file, wait_for
from tests.system.stops import Watch, motors_stopped_along_the_ramp

pytestmark = pytest.mark.system

Order = Callable[[SegmentClient], object]
FAULTS: dict[str, tuple[Order, Order, tuple[str, ...], tuple[int, ...]]] = {
    "cut": (lambda s: s.cut_cable(2), lambda s: s.heal_cable(), ("drive-3", "drive-2"), ()),
    "power": (lambda s: s.power_off(4), lambda s: s.power_on(4), ("dio",), ()),
    "drive-power": (lambda s: s.power_off(3), lambda s: s.power_on(3), ("drive-4",), (3,)),
}
"""How it begins and ends, the slaves that the diagnosis names, and those without power."""


def coasted_too_far(cell: RunningCell) -> bool:
    """A motor without power coasts: where it stands then may be for a person to look at."""
    found = cell.await_snapshot(
        lambda s: s["operational"] or "from its checkpoint" in _reason(cell), "back, or a person is asked"
    )
    return not found["operational"]


def _reason(cell: RunningCell) -> str:
    return " ".join(event.text for event in cell.events(kind=EventKind.RT)[-50:])


@pytest.mark.parametrize("fault", FAULTS)
def test_the_axes_stop_the_place_is_named_and_healing_is_enough(cell: RunningCell, fault: str) -> None:
    begin, end, names, without_power = FAULTS[fault]
    since = cell.last_event()
    watch = Watch.in_motion(cell)
    begin(cell.segment)
    found = cell.await_snapshot(
        lambda s: s["ha"]["state"] == "SAFE_MODE" and s["bus"]["diagnosis"], "the fault is seen"
    )
    cell.await_stand()
    assert found["motion"]["stop_reason"] == "WKC"
    assert found["bus"]["wkc"] < found["bus"]["expected_wkc"]
    code, status = cell.status()
    assert (code, status["operational"]) == (7, False)
    diagnosis = status["bus"]["diagnosis"]
    assert all(name in diagnosis for name in names), diagnosis
    cell.await_event(since, EventKind.ALERT, rule="working-counter-lost")
    lost = cell.await_event(since, EventKind.RT, code="slave_lost")
    assert cell.plan.slaves[lost.data["fields"]["slave"]].name in names

    end(cell.segment)
    if without_power and coasted_too_far(cell):
        cell.reset()
    cell.await_operational()
    cell.await_stand()
    cell.start()
    cell.await_motion()
    motors_stopped_along_the_ramp(cell, watch, without_power=without_power, any_speed=bool(without_power))
    cell.await_snapshot(
        lambda s: s["bus"]["wkc"] == s["bus"]["expected_wkc"] and not s["bus"]["diagnosis"], "all is well"
    )
    assert {slave.al_state for slave in cell.segment.truth()} == {AlState.OP}
    behind = [
        event for event in cell.events(since, EventKind.ALERT) if event.data["rule"] == "following-error"
    ]
    assert not behind, "an axis that was not commanded follows nothing"


TOOL_DRIVE, TERMINAL = 3, 4
TOOL = "groups: [{name: tool, axes: [c], slaves: [dio], essential: false}]\n"


def go_on(policy: dict[str, Any]) -> None:
    """As shipped, but motion goes on while Non-RT is away."""
    policy["rt_agent"] |= {"go_on_ms": 20_000, "nonrt_timeout_ms": 5000}


def kept_positions(cell: RunningCell) -> list[int]:
    return [int(cell.store.checkpoint().position[axis]) for axis in range(len(cell.plan.axes))]


def test_a_cell_that_goes_on_without_a_slave_is_kept_and_supervised_like_a_whole_one(
    start_cell: Any, tmp_path: Path
) -> None:
    bus = tmp_path / "bus.yaml"
    bus.write_text((CONFIG / "ethercat/cell.yaml").read_text(encoding="utf-8") + TOOL, encoding="utf-8")
    cell = start_cell(bus=bus, policy=policy_file(tmp_path, go_on))
    cell.await_motion()
    cell.segment.power_off(TERMINAL)
    cell.await_ha("DEGRADED")
    before = kept_positions(cell)
    wait_for(lambda: kept_positions(cell)[:2] != before[:2], "positions are kept while the others move")

    rt, nonrt, since = cell.pid("rt"), cell.pid("nonrt"), cell.last_event()
    os.kill(nonrt, signal.SIGKILL)
    cell.await_snapshot(lambda s: s["nonrt"]["pid"] not in (None, nonrt), "Non-RT is back")
    cell.await_ha("DEGRADED")
    wait_for(cell._fast_axes, "the others move")
    assert cell.pid("rt") == rt
    stops = {event.data["fields"].get("reason_code") for event in cell.events(since, EventKind.RT)}
    assert not stops & {Stop.NONRT_DEAD, Stop.NONRT_SILENT, Stop.PERMIT}, "motion went on meanwhile"

    cell.reset()
    assert cell.snapshot()["bus"]["al_states"].count("OP") == len(cell.plan.slaves) - 1
    cell.segment.power_on(TERMINAL)
    cell.await_snapshot(lambda s: set(s["bus"]["al_states"]) == {"OP"}, "it is back")


def test_a_cell_without_its_tool_outlives_a_crash_of_rt_and_takes_the_tool_back(
    start_cell: Any, tmp_path: Path
) -> None:
    bus = tmp_path / "bus.yaml"
    bus.write_text((CONFIG / "ethercat/cell.yaml").read_text(encoding="utf-8") + TOOL, encoding="utf-8")
    cell = start_cell(bus=bus)
    cell.await_motion()
    cell.segment.power_off(TOOL_DRIVE)
    cell.await_ha("DEGRADED")
    old = cell.pid("rt")
    os.kill(old, signal.SIGKILL)
    cell.await_snapshot(lambda s: s["rt"]["pid"] not in (None, old) and s["live"], "RT comes up without it")
    confirmed = cell.await_event(0, EventKind.GUARD_CONFIRMED)
    assert confirmed.data["absent"] == 2
    cell.await_ha("DEGRADED")
    found = cell.snapshot()["bus"]
    assert (found["al_states"].count("OP"), found["wkc_verdict"]) == (3, "EXCUSED")
    cell.reset()
    cell.segment.power_on(TOOL_DRIVE)
    cell.await_snapshot(lambda s: set(s["bus"]["al_states"]) == {"OP"}, "it is taken in")
    cell.await_snapshot(lambda s: s["bus"]["wkc_verdict"] == "WHOLE", "all take part")
    cell.await_ha("OPERATIONAL")
