"""An axis coasts beyond its position limit without power: it is told, kept from work, and brought back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fieldstack.events.kinds import EventKind
from fieldstack.status.endpoint import read_endpoint
from fieldstack.tasks.control.client import ask
from fieldstack.tasks.control.jog_client import HeldJog
from fieldstack.tasks.run.jogging import HOLD_NS
from fieldstack_rt.datastore.layout import EventCode
from tests.system.cell_tasks import status, submit
from tests.system.running_cell import CONFIG, MAIN, RunningCell, StartCell, wait_for

pytestmark = pytest.mark.system

Y = 1
MM = 10_000
TOP = 300 * MM
LATE_NS = 60_000_000
"""What a busy machine may hold up a cycle, and the look of this test at the clock."""
WAY_BACK = "`fieldstack jog y -`"


def slow_to_jog(folder: Path) -> Path:
    """The demo bus; y jogs at 40 mm/s."""
    bus = yaml.safe_load((CONFIG / "ethercat/cell.yaml").read_text(encoding="utf-8"))
    bus["axes"][Y]["jog_velocity"] = 40
    file = folder / "bus.yaml"
    file.write_text(yaml.safe_dump(bus), encoding="utf-8")
    return file


@pytest.fixture
def cell(start_cell: StartCell, tmp_path: Path) -> RunningCell:
    found = start_cell(
        bus=slow_to_jog(tmp_path), core={"program": "none", "speed_percent": 100}, health={"port": 0}
    )
    found.await_operational()
    return found


def y(cell: RunningCell) -> float:
    return cell.segment.truth()[Y].position


def coast(cell: RunningCell, folder: Path) -> None:
    """Its drive loses power on the way to the limit, and has it again beyond; a person resets the rest."""
    move = {"move": {"to": {"y": 299}, "speed_percent": 25}}
    submit(cell, folder, {"id": "over", "needs": {"group": "all"}, "steps": [move]})
    wait_for(lambda: y(cell) > 265 * MM, "y is on its way to the limit")
    cell.segment.power_off(Y)
    assert ask(cell.instance, "cancel", id="over").accepted, "its move would lead the axis back"
    wait_for(lambda: y(cell) > TOP + 30 * MM, "y has coasted beyond it")
    cell.segment.power_on(Y)
    cell.await_snapshot(
        lambda s: s["live"] and s["bus"]["wkc"] == s["bus"]["expected_wkc"], "the bus is whole"
    )
    wait_for(lambda: reset(cell), "the axes have power again")


def reset(cell: RunningCell) -> bool:
    cell.command("reset", "--note", "by a test")
    shot = cell.snapshot()
    return bool(shot["motion"]["permit"] and all(axis["state"] == "HOLDING" for axis in shot["axes"]))


def ready(cell: RunningCell) -> tuple[int, str]:
    endpoint = read_endpoint(cell.instance)
    assert endpoint is not None
    try:
        with urllib.request.urlopen(f"{endpoint.url}/readyz?verbose", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def beyond(cell: RunningCell) -> float:
    return float(cell.snapshot()["axes"][Y]["beyond_limit"])


def jog_back(held: HeldJog, until: Callable[[], object]) -> None:
    """Hold it until something is so. A hand that a busy machine held up takes hold again."""
    moving, said = False, ""

    def holds() -> object:
        nonlocal moving, said
        now_ns = time.monotonic_ns()
        answer = held.renew(now_ns) if moving else held.begin("y", "-", 100, now_ns)
        moving = answer.accepted and not answer.data["ended"]
        said = said if moving else answer.message
        return moving and until()

    try:
        wait_for(holds, "the jog gets there")
    except AssertionError as error:
        raise AssertionError(f"{error}; it was told last: {said}") from error


def stopped_by_rt(cell: RunningCell, since: int, last_held_ns: int) -> None:
    """Within the bound, by the cycle's own clock; then its motor stands."""
    event = cell.await_event(since, EventKind.RT, code=EventCode.HOLD_ENDED.name.lower())
    assert event.t_ns <= last_held_ns + HOLD_NS + LATE_NS
    cell.await_stand()


def test_it_is_told_kept_from_work_and_brought_back(cell: RunningCell, tmp_path: Path) -> None:
    since = cell.last_event()
    coast(cell, tmp_path)
    alert = cell.await_event(since, EventKind.ALERT, rule="axis-beyond-limit")
    assert "beyond its limit of 300 mm" in alert.text
    assert WAY_BACK in alert.text
    shot = cell.await_ha("DEGRADED")
    assert shot["axes"][Y]["beyond_limit"] > 20
    assert WAY_BACK in shot["axes"][Y]["way_back"]
    wait_for(lambda: ready(cell)[0] == 503 and WAY_BACK in ready(cell)[1], "/readyz tells it")

    submit(cell, tmp_path, {"id": "x", "needs": {"group": "all"}, "steps": [{"move": {"to": {"x": 20}}}]})
    wait_for(
        lambda: WAY_BACK in status(cell, "x")["why"], "a task that does not lead it back says why it waits"
    )
    assert not [event for event in cell.events(since) if "refused" in event.text]

    stood = y(cell)
    for process in ("rt", "core"):
        _kill(cell, process)
        assert abs(y(cell) - stood) < MM, f"{process} has it where it is"
        assert beyond(cell) > 20

    outwards = cell.command("jog", "y", "+", "--for", "1s")
    assert outwards.returncode == 1
    assert WAY_BACK in outwards.stderr
    since = cell.last_event()
    killed_ns = _kill_the_command(cell)
    stopped_by_rt(cell, since, killed_ns)
    since, core = cell.last_event(), cell.pid("core")
    with HeldJog(cell.instance) as held:
        jog_back(held, lambda: cell.segment.truth()[Y].velocity < -20 * MM)
        stopped_ns = time.monotonic_ns()
        os.kill(core, signal.SIGSTOP)
        try:
            stopped_by_rt(cell, since, stopped_ns)
        finally:
            os.kill(core, signal.SIGCONT)
    assert y(cell) < stood

    with HeldJog(cell.instance) as held:
        jog_back(held, lambda: not beyond(cell))
        assert held.release().accepted
    cell.command("start")
    wait_for(lambda: status(cell, "x")["state"] == "done", "the task goes on")
    cell.await_operational()
    wait_for(lambda: ready(cell)[0] == 200, "/readyz is well again")


def _kill(cell: RunningCell, process: str) -> None:
    """SIGKILL, and until its successor holds the axes."""
    before = cell.pid(process)
    os.kill(before, signal.SIGKILL)
    cell.await_snapshot(
        lambda s: (
            s[process]["state"] == "running"
            and s[process]["pid"] != before
            and s["motion"]["permit"]
            and all(axis["state"] == "HOLDING" for axis in s["axes"])
        ),
        f"{process} is back",
    )


def _kill_the_command(cell: RunningCell) -> int:
    """`fieldstack jog` on its way: SIGKILL, and when."""
    command = [sys.executable, "-c", MAIN, "jog", "y", "-", "--for", "30s", "--instance", cell.instance.name]
    with subprocess.Popen(command) as jog:
        wait_for(lambda: cell.segment.truth()[Y].velocity < -20 * MM, "y goes inwards")
        jog.kill()
        return time.monotonic_ns()
