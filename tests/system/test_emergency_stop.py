"""EMERGENCY_STOP from each source stops the axes and stays latched until its clear condition is met."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack.process.nonrt_client import ask
from fieldstack_ethercat.segment.client import cut
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt.datastore import Clear, EstopSource
from tests.system.running_cell import RunningCell, policy_file, wait_for
from tests.system.stops import Watch, motors_stopped_along_the_ramp, outputs_became_safe

pytestmark = pytest.mark.system


def by_command(cell: RunningCell) -> None:
    done = cell.command("estop", "--reason", "test of operator")
    assert done.returncode == 0, done.stderr


def by_control_socket(cell: RunningCell) -> None:
    answer = ask(cell.instance, "estop", by="a test", reason="test of api", source="api")
    assert answer.accepted
    assert answer.data["obeyed_cycle"] > 0


def by_word(source: EstopSource) -> Callable[[RunningCell], None]:
    """As the process of that name sets it: the atomic word in shared memory."""
    reason = f"test of {source.name.lower()}"
    return lambda cell: cell.store.estop.raise_(source, reason, until=Clear.ON_RESET)


SOURCES: dict[EstopSource, Callable[[RunningCell], None]] = {
    EstopSource.OPERATOR: by_command,
    EstopSource.API: by_control_socket,
    **{
        source: by_word(source)
        for source in EstopSource
        if source not in (EstopSource.OPERATOR, EstopSource.API)
    },
}


def test_each_source_is_latched_until_a_reset(cell: RunningCell) -> None:
    ramps = 0
    for source, raise_it in SOURCES.items():
        since = cell.last_event()
        watch = Watch.in_motion(cell)
        raise_it(cell)
        cell.await_ha("SAFE_MODE")
        wait_for(cell.all_safe, "outputs are safe")
        cell.await_stand()
        outputs_became_safe(cell, watch)
        obeyed = cell.await_event(since, EventKind.RT, code="estop_obeyed")
        ramps += motors_stopped_along_the_ramp(cell, watch, since_ns=obeyed.t_ns, any_speed=True)
        assert {slave.al_state for slave in cell.segment.truth()} == {AlState.OP}, "stopped, not lost"

        cell.await_passes(10)
        kept = cell.snapshot()
        assert kept["estop"]["obeyed"]
        assert [(s["source"], s["clear"]) for s in kept["estop"]["sources"]] == [(source.name, "on_reset")]
        assert f"test of {source.name.lower()}" in kept["estop"]["sources"][0]["reason"]
        assert f"test of {source.name.lower()}" in kept["ha"]["reason"]
        assert cell.all_safe()

        cell.reset_and_start()
        cell.await_motion()
        assert not cell.snapshot()["estop"]["latched"]
        cell.await_event(since, EventKind.ESTOP_RAISED, source=source.name.lower())
        cell.await_event(since, EventKind.ESTOP_CLEARED)
    assert ramps, "no axis was fast at any of these stops"


def test_a_reset_is_refused_while_the_cause_is_there(cell: RunningCell) -> None:
    by_command(cell)
    cell.await_ha("SAFE_MODE")
    with cut(cell.segment, 2):
        cell.await_snapshot(lambda s: s["bus"]["diagnosis"], "the cut is seen")
        refused = cell.command("reset")
        assert refused.returncode == 1
        assert "refused" in refused.stderr
        assert "working counter" in refused.stderr
        assert cell.snapshot()["estop"]["latched"]
    wait_for(lambda: cell.command("reset").returncode == 0, "the reset is accepted once the cause is gone")
    cell.start()
    cell.await_motion()


def stop_when_core_dies(policy: dict[str, Any]) -> None:
    for rule in policy["rules"]:
        if rule["name"] == "core-dead":
            rule["actions"] = ["EMERGENCY_STOP", "REBOOT_PROCESS", "SEND_ALERT"]
            rule["clear"] = {"when": "reset"}
            del rule["resume_within_ms"]


def test_a_policys_own_stop_is_latched_as_its_rule_says(start_cell: Any, tmp_path: Path) -> None:
    cell = start_cell(policy=policy_file(tmp_path, stop_when_core_dies))
    cell.await_operational()
    before, since = cell.pid("core"), cell.last_event()
    watch = Watch.in_motion(cell)
    os.kill(before, signal.SIGKILL)
    wait_for(cell.all_safe, "outputs are safe")
    cell.await_stand()
    outputs_became_safe(cell, watch)
    obeyed = cell.await_event(since, EventKind.RT, code="estop_obeyed")
    motors_stopped_along_the_ramp(cell, watch, since_ns=obeyed.t_ns, any_speed=True)
    cell.await_snapshot(
        lambda s: s["core"]["state"] == "running" and s["core"]["pid"] != before, "the Main Core is back"
    )
    cell.await_passes(20)
    kept = cell.snapshot()
    assert [(s["source"], s["clear"]) for s in kept["estop"]["sources"]] == [("POLICY", "on_reset")]
    assert kept["ha"]["state"] == "SAFE_MODE"
    cell.reset_and_start()
    cell.await_motion()
