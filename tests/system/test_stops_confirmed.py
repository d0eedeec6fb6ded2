"""EMERGENCY_STOP is believed once all axes were read back to stand; who runs on is stopped, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fieldstack.cli.estop import raise_estop
from fieldstack.cli.exit_codes import ExitCode
from fieldstack.events.kinds import EventKind
from fieldstack_ethercat.segment.description.defects import Defect
from tests.system.running_cell import CONFIG, RunningCell, wait_for

pytestmark = pytest.mark.system
FAST, HOLDING, QUICK_STOP_ACTIVE = 0, 1, 5
"""The axis of stop category 2; `enum fs_drive_state`."""


def bus_file(folder: Path) -> Path:
    """As shipped, but that axis y holds under power after a stop: category 2."""
    document = yaml.safe_load((CONFIG / "ethercat/cell.yaml").read_text(encoding="utf-8"))
    document["slaves"][HOLDING] = document["slaves"][HOLDING] | {"stop_category": 2}
    file = folder / "bus.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def test_a_stop_is_confirmed_by_standstill_alone(start_cell: Any, tmp_path: Path) -> None:
    cell: RunningCell = start_cell(bus=bus_file(tmp_path))
    cell.await_motion()
    done = cell.command("estop", "--reason", "all is well")
    assert done.returncode == ExitCode.OK, done.stderr
    assert "all axes stand after" in done.stdout
    _holds_under_power(cell)
    cell.reset_and_start()
    cell.await_motion()
    _one_that_runs_on(cell)


def _holds_under_power(cell: RunningCell) -> None:
    """Category 2 keeps its power; the others have none."""
    cell.await_stand()
    truth = [cell.segment.truth()[axis.slave] for axis in cell.plan.axes]
    assert truth[HOLDING].drive_state == QUICK_STOP_ACTIVE
    assert all(one.drive_state == 1 for one in truth if one is not truth[HOLDING])


def _one_that_runs_on(cell: RunningCell) -> None:
    """It hears no word at all: nothing but the end of RT, SAFE-OP and its own reaction to that stops it."""
    since, slave = cell.last_event(), cell.plan.axes[FAST].slave
    pid, epoch = cell.pid("rt"), cell.store.rt_epoch
    wait_for(lambda: abs(cell.segment.truth()[slave].velocity) > 1e6, "it is fast")
    cell.segment.ignore(slave, Defect.CONTROLWORD | Defect.SETPOINTS | Defect.AL)
    answer = raise_estop(cell.store, "someone is in there")
    assert not answer.obeyed
    assert answer.reached
    assert "NOT CONFIRMED" in answer.text or "nobody confirmed it" in answer.text
    assert "use the hardware button" in answer.text
    alert = cell.await_event(since, EventKind.ALERT, rule="axis-runs-on")
    assert alert.data["fact_subject"] == "axis:x"
    assert alert.data["value"] > 100
    assert "mm/s" in alert.data["cause"]
    snapshot = cell.await_ha("MANUAL_INTERVENTION")
    assert "axis x" in snapshot["ha"]["reason"]
    wait_for(lambda: not Path("/proc", str(pid)).exists(), "RT has ended")
    cell.await_passes(100)
    assert cell.store.rt_epoch == epoch, "it is not started again before a person has looked"
    cell.segment.ignore(slave, Defect(0))
    cell.await_stand()
    done = cell.command("reset", "--note", "it is mended")
    wait_for(lambda: cell.store.rt_epoch > epoch, "a person's reset starts it again")
    assert "starting fieldstack-rt" in done.stdout + done.stderr
    wait_for(lambda: cell.command("reset").returncode == 0, "its drive's own fault is reset, too")


def test_a_cell_that_goes_down_with_an_axis_that_runs_on_says_so(start_cell: Any) -> None:
    cell: RunningCell = start_cell()
    cell.await_motion()
    slave = cell.plan.axes[FAST].slave
    wait_for(lambda: abs(cell.segment.truth()[slave].velocity) > 1e6, "it is fast")
    cell.segment.ignore(slave, Defect.CONTROLWORD | Defect.SETPOINTS | Defect.AL)
    assert cell.end() == ExitCode.FAILED
    assert "axis 0 did not stop" in cell.output()
    assert "use the hardware button" in cell.output()
