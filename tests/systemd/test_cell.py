"""A whole cell under a real systemd: it starts, its processes are killed and hang, it stops in order."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.systemd.machine import Machine
from tests.systemd.systemd_cell import SystemdCell, wait_for

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PROCESSES = ("rt", "nonrt", "core")
ORDER = "systemctl stop fieldstack@bench.target"


def _replaced(cell: SystemdCell, process: str, old: int) -> None:
    wait_for(lambda: cell.pid(process) not in (0, old), f"a new process of {cell.unit(process)}")
    cell.await_operational()


def test_every_process_says_that_it_is_at_work(cell: SystemdCell) -> None:
    for process in PROCESSES:
        found = cell.machine.show(cell.unit(process), "ActiveState", "SubState", "StatusText", "NRestarts")
        assert (found["ActiveState"], found["SubState"]) == ("active", "running"), process
        assert found["NRestarts"] == "0"
    assert cell.show("nonrt", "StatusText").startswith("OPERATIONAL")
    assert "5 slaves" in cell.show("rt", "StatusText")


def test_real_time_without_root(cell: SystemdCell) -> None:
    pid = cell.pid("rt")
    status = cell.machine.run("cat", f"/proc/{pid}/status").stdout
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split()[0] != "0"
    assert int(fields["VmLck"].split()[0]) > 0
    threads = cell.machine.run("ps", "-L", "-o", "cls=,rtprio=,psr=", "-p", str(pid)).stdout
    assert ["FF", "80"] in [line.split()[:2] for line in threads.splitlines()]
    assert not cell.snapshot()["bus"]["setup"]  # nothing of the set-up was refused


def test_rt_killed_is_restarted_by_the_failover_manager(cell: SystemdCell) -> None:
    since, restarts = cell.last_event(), cell.snapshot()["ha"]["restarts"]
    old = cell.kill("rt", "KILL")
    _replaced(cell, "rt", old)
    assert cell.show("rt", "NRestarts") == "0"  # systemd did nothing of its own
    assert cell.snapshot()["ha"]["restarts"] == restarts + 1
    (end,) = [one for one in cell.events("process.ended", since) if one["data"]["pid"] == old]
    assert "SIGKILL" in end["text"]
    started = cell.events("process.started", since)[-1]
    assert started["data"]["pid"] == cell.pid("rt")


def test_rt_hung_is_fenced_by_the_guard_and_restarted(cell: SystemdCell) -> None:
    since = cell.last_event()
    old = cell.kill("rt", "STOP")
    _replaced(cell, "rt", old)
    assert cell.show("rt", "NRestarts") == "0"
    (trip,) = cell.events("guard.tripped", since)
    assert trip["data"]["cause"] == "silent"


def test_core_killed_is_restarted_by_the_failover_manager(cell: SystemdCell) -> None:
    rt = cell.pid("rt")
    old = cell.kill("core", "KILL")
    _replaced(cell, "core", old)
    assert (cell.show("core", "NRestarts"), cell.pid("rt")) == ("0", rt)


def test_nonrt_killed_is_restarted_by_systemd_and_rt_goes_on(cell: SystemdCell) -> None:
    rt, restarts = cell.pid("rt"), int(cell.show("nonrt", "NRestarts"))
    cycles = cell.snapshot()["cycle"]["cycles"]
    old = cell.kill("nonrt", "KILL")
    _replaced(cell, "nonrt", old)
    assert int(cell.show("nonrt", "NRestarts")) == restarts + 1
    assert cell.pid("rt") == rt
    assert cell.snapshot()["cycle"]["cycles"] > cycles


def _livez(cell: SystemdCell) -> int:
    """HTTP status of the health server, 0: it does not answer."""
    line = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:9120/livez")
    return int(cell.machine.run(*line, check=False).stdout or 0)


def test_health_outlives_nonrt_and_systemd_restarts_it(cell: SystemdCell) -> None:
    wait_for(lambda: _livez(cell) == 200, "the health server answers")
    health = cell.pid("health")
    old = cell.kill("nonrt", "KILL")
    _replaced(cell, "nonrt", old)
    assert cell.pid("health") == health
    cell.kill("health", "KILL")
    wait_for(lambda: cell.pid("health") not in (0, health) and _livez(cell) == 200, "another one answers")


def test_nonrt_hung_is_found_by_the_watchdog(cell: SystemdCell) -> None:
    rt = cell.pid("rt")
    old = cell.kill("nonrt", "STOP")
    _replaced(cell, "nonrt", old)
    told = cell.machine.journal("-u", cell.unit("nonrt"), "--grep", "Watchdog timeout")
    assert told
    assert cell.machine.journal("-u", cell.unit("nonrt"), "--grep", "Fatal Python error: Aborted")
    assert cell.pid("rt") == rt


def test_nonrt_stopped_alone_leaves_rt_running(cell: SystemdCell) -> None:
    rt = cell.pid("rt")
    cell.machine.run("systemctl", "restart", cell.unit("nonrt"))
    cell.await_operational()
    assert cell.pid("rt") == rt


def test_nonrt_that_crashes_again_and_again_is_given_up_and_the_axes_stand(cell: SystemdCell) -> None:
    rt = cell.pid("rt")

    def given_up() -> bool:
        found = cell.machine.show(cell.unit("nonrt"), "ActiveState", "MainPID")
        if found["MainPID"] != "0":
            cell.machine.run("kill", "-KILL", found["MainPID"], check=False)
        return found["ActiveState"] == "failed"

    wait_for(given_up, "the start limit of the Non-RT process")
    assert cell.machine.journal("-u", cell.unit("nonrt"), "--grep", "repeated too quickly")
    wait_for(lambda: cell.snapshot()["motion"]["stop_reason"] != "NONE", "RT stops the axes by itself")
    drives = cell.snapshot()["axes"]
    wait_for(
        lambda: all(abs(slave["velocity"]) < 50 for slave in cell.ask("truth")[: len(drives)]),
        "the motors stand",
    )
    assert cell.pid("rt") == rt  # it still has the bus
    wait_for(lambda: _told(cell, "given-up", "firing"), "people are told without Non-RT")
    (alert,) = _told(cell, "given-up", "firing")
    for word in (
        "NONRT",
        "journalctl -u fieldstack-nonrt@bench",
        "systemctl reset-failed",
        "killed KILL",
    ):
        assert word in alert["text"], alert["text"]
    wait_for(lambda: _livez(cell) == 503, "the health server tells that Non-RT has gone", 20)
    cell.machine.run("systemctl", "reset-failed", cell.unit("nonrt"))
    cell.machine.run("systemctl", "start", cell.target)
    cell.await_operational()
    assert cell.pid("rt") == rt
    wait_for(lambda: _told(cell, "given-up", "resolved"), "and that it is over")


def _told(cell: SystemdCell, rule: str, state: str) -> list[dict[str, str]]:
    """Alerts that the channel's receiver has taken."""
    text = cell.machine.run("cat", "/var/lib/fieldstack/bench/told", check=False).stdout
    found, at, decoder = [], 0, json.JSONDecoder()
    while (at := text.find("{", at)) >= 0:
        one, at = decoder.raw_decode(text, at)
        found.append(one)
    return [one for one in found if (one["rule"], one["state"]) == (rule, state)]


def test_up_and_down_leave_a_cell_of_systemd_alone(cell: SystemdCell) -> None:
    def fieldstack(*arguments: str) -> subprocess.CompletedProcess[str]:
        return cell.machine.run("/opt/fieldstack/bin/fieldstack", *arguments, check=False)

    pids = {process: cell.pid(process) for process in (*PROCESSES, "segment")}
    cycles = cell.snapshot()["cycle"]["cycles"]
    config = ("--config", "/etc/fieldstack/bench.yaml", "--headless", "--for", "1s")
    up = fieldstack("up", "--instance", cell.instance, *config)
    assert (up.returncode, ORDER in up.stderr) == (6, True), up.stderr
    down = fieldstack("down", "--instance", cell.instance)
    assert (down.returncode, ORDER in down.stdout) == (1, True), down.stdout
    (listed,) = json.loads(fieldstack("cells", "--json").stdout)
    assert (listed["orphaned"], listed["note"]) == (False, f"end it with: {ORDER}")
    assert {process: cell.pid(process) for process in pids} == pids
    assert cell.snapshot()["cycle"]["cycles"] > cycles
    cell.await_operational()


def test_who_is_in_the_group_operates_the_cell(cell: SystemdCell) -> None:
    member = ("setpriv", "--reuid=65534", "--regid=65534", "--groups=fieldstack")

    def fieldstack(*arguments: str, who: tuple[str, ...] = member) -> subprocess.CompletedProcess[str]:
        line = ("/opt/fieldstack/bin/fieldstack", *arguments, "--instance", cell.instance)
        return cell.machine.run("env", "HOME=/nonexistent", *who, *line, check=False)

    asked = fieldstack("request", "slow")
    assert asked.returncode == 0, asked.stderr
    reset = fieldstack("reset", "--by", "Ann", "--note", "it may be quick again")
    assert reset.returncode == 0, reset.stderr
    assert "it may be quick again" in fieldstack("events").stdout
    status = json.loads(fieldstack("status", "--json").stdout)
    assert status["history"]["source"] == "non-rt"
    assert status["bus"]["al_states"]
    stranger = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert "/bench/events" in fieldstack("events", who=stranger).stderr
    assert fieldstack("reset", who=stranger).returncode == 5


def test_the_target_stops_core_then_rt_then_nonrt(cell: SystemdCell) -> None:
    rt, since = cell.pid("rt"), cell.last_event()
    cell.machine.run("systemctl", "stop", cell.target)
    wait_for(lambda: cell.show("segment", "ActiveState") == "inactive", "all units are stopped")
    order = _stopped(cell.machine, [cell.unit(name) for name in ("core", "rt", "nonrt", "segment")])
    assert order == [cell.unit(name) for name in ("core", "rt", "nonrt", "segment")]
    for process in PROCESSES:
        found = cell.machine.show(cell.unit(process), "ActiveState", "Result")
        assert found == {"ActiveState": "inactive", "Result": "success"}, process
    assert not cell.events("estop.raised", since)  # an orderly end, no failure
    assert [one["data"]["after"] for one in cell.events("ha.state", since)] == ["SHUTDOWN"]
    ends = {one["data"]["process"]: one for one in cell.events("process.ended", since)}
    assert ends["fieldstack-rt"]["data"]["pid"] == rt
    assert "exit status 0" in ends["fieldstack-rt"]["text"]
    cell.machine.run("systemctl", "start", cell.target)
    wait_for(lambda: cell.snapshot().get("rt", {}).get("state") == "running", "RT cycles again")
    cell.reset()  # the motors of a segment that was off stand at zero, not where they were
    cell.await_operational()


def _stopped(machine: Machine, units: list[str]) -> list[str]:
    """These units in the order in which they were last stopped."""
    entries = machine.journal("_PID=1", "--grep", "^Stopped fieldstack-")
    return [one["UNIT"] for one in entries if one["UNIT"] in units][-len(units) :]
