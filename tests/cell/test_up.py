"""`fieldstack up` with all its processes on a virtual segment: start, deaths, end, leftovers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fieldstack.cell.cable import Cable
from fieldstack.status.up_record import RECORD
from fieldstack_base.instance import Instance
from fieldstack_base.proc.process import look_up

pytestmark = pytest.mark.system
COMMAND = [sys.executable, "-c", "from fieldstack.cli.main import main; main()"]
START_S = 60.0


@dataclass(slots=True)
class Bench:
    """One instance on its own folders; what a test starts is ended with it."""

    name: str
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def up(self, *arguments: str) -> subprocess.Popen[str]:
        command = [*COMMAND, "up", "--headless", "--instance", self.name, *arguments]
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, *arguments, "--instance", self.name]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return document

    def await_status(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            status = self.status()
            if wanted(status):
                return status
            time.sleep(0.1)
        events = self.run("events").stdout[-4000:]
        log = Path(self.environment["FIELDSTACK_RUNTIME_DIR"], self.name, "nonrt.log").read_text()[-3000:]
        pytest.fail(f"{what} within {START_S} s; the events:\n{events}\nthe Non-RT process said:\n{log}")

    def await_motion(self) -> dict[str, Any]:
        return self.await_status(
            lambda status: status["operational"] and status["motion"]["stream_state"] == "PLAYING",
            "the axes do not move",
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    folders = {"FIELDSTACK_RUNTIME_DIR": tmp_path / "run", "FIELDSTACK_STATE_DIR": tmp_path / "state"}
    environment = os.environ | {key: str(folder) for key, folder in folders.items()}
    bench = Bench(f"up-{os.getpid()}", environment)
    yield bench
    ended = bench.run("down")
    said = []
    for process in bench.started:
        process.kill()
        said.append((process.communicate()[0] or "")[-3000:])
    left = end_stragglers(bench)
    assert ended.returncode in (0, 5), f"`down` failed: {ended.stdout}{ended.stderr}\n`up` said: {said}"
    assert not left, f"`down` left processes behind: {left}"


def end_stragglers(bench: Bench) -> list[str]:
    """What of the instance still runs is ended: the next test has the same interfaces and memory."""
    found = subprocess.run(["pgrep", "-af", bench.name], capture_output=True, text=True, check=False)
    left = found.stdout.splitlines()
    for line in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)
    return left


def assert_nothing_left(bench: Bench) -> None:
    instance = Instance(bench.name)
    assert not Path("/sys/class/net", Cable.of(instance).master).exists()
    assert not Path("/dev/shm", instance.shm_name.lstrip("/")).exists()
    mine = subprocess.run(
        ["pgrep", "-f", f"--instance {bench.name}"], capture_output=True, text=True, check=False
    )
    assert mine.stdout == ""


def test_it_moves_refuses_a_second_and_ends_in_order(bench: Bench) -> None:
    up = bench.up()
    first = bench.await_motion()
    assert set(first["bus"]["al_states"]) == {"OP"}
    assert first["bus"]["wkc"] == first["bus"]["expected_wkc"]
    time.sleep(0.5)
    second = bench.status()
    assert [axis["position"] for axis in second["axes"]] != [axis["position"] for axis in first["axes"]]

    refused = bench.run("up", "--headless")
    assert refused.returncode == 6
    assert "already up" in refused.stderr

    up.send_signal(signal.SIGINT)
    output, _ = up.communicate(timeout=40)
    assert up.returncode == 0, output
    assert "Traceback" not in output
    assert_nothing_left(bench)

    bench.up()  # the virtual motors stand where they were left: the cell goes on
    bench.await_motion()
    assert "restore: go on" in bench.run("events").stdout


def test_an_emergency_stop_is_obeyed_latched_and_reset(bench: Bench) -> None:
    bench.up()
    bench.await_motion()
    stopped = bench.run("estop", "--reason", "door open")
    assert stopped.returncode == 0, stopped.stderr
    assert "all axes stand after" in stopped.stdout
    status = bench.await_status(lambda s: s["motion"]["stop_reason"] == "ESTOP", "no stop")
    assert status["estop"]["sources"][0]["reason"].startswith("door open")
    assert not status["operational"] or status["estop"]["latched"]
    time.sleep(0.5)
    assert bench.status()["estop"]["latched"]
    reset = bench.run("reset", "--note", "door closed")
    assert reset.returncode == 0, reset.stderr
    assert bench.run("down").returncode == 0
    bench.up()  # a person's act, but no start after that stop
    waits = bench.await_status(lambda s: s["operational"] and s["motion"]["waits_for_start"], "it is ready")
    assert "door open" in waits["ha"]["reason"]
    started = bench.run("start", "--note", "area clear")
    assert started.returncode == 0, started.stderr
    assert "started: x, y, z, c" in started.stdout
    moving = bench.await_motion()
    assert not moving["estop"]["latched"]
    assert "door open" in bench.run("events").stdout


def test_faults_are_ordered_and_the_truth_is_the_segments(bench: Bench) -> None:
    bench.up()
    bench.await_motion()
    cut = bench.run("segment", "cut", "2")
    assert cut.returncode == 0, cut.stderr
    assert "CLOCK_MONOTONIC" in cut.stdout
    bench.await_status(lambda s: s["bus"]["wkc"] != s["bus"]["expected_wkc"], "nobody sees the cut")
    truth = json.loads(bench.run("segment", "truth", "--json").stdout)
    assert [slave["reached"] for slave in truth] == [True, True, False, False, False]
    assert "cut off" in bench.run("segment", "truth").stdout
    assert bench.run("segment", "heal").returncode == 0
    refused = bench.run("segment", "power-off", "99")
    assert refused.returncode == 1
    assert "slave is 99" in refused.stderr


def test_a_killed_non_rt_process_is_started_again_and_the_axes_go_on(bench: Bench) -> None:
    bench.up()
    before = bench.await_motion()
    os.kill(before["nonrt"]["pid"], signal.SIGKILL)
    bench.await_status(
        lambda s: s["nonrt"]["state"] == "running" and s["nonrt"]["pid"] != before["nonrt"]["pid"],
        "Non-RT does not come back",
    )
    bench.await_motion()
    events = bench.run("events").stdout
    assert "fieldstack-rt found running and adopted" in events
    assert "fieldstack-core found running and adopted" in events


def test_a_killed_core_goes_on_with_its_task(bench: Bench) -> None:
    bench.up()
    before = bench.await_motion()
    os.kill(before["core"]["pid"], signal.SIGKILL)
    bench.await_status(
        lambda s: s["core"]["state"] == "running" and s["core"]["pid"] != before["core"]["pid"],
        "Core does not come back",
    )
    bench.run("start")  # on a busy machine the axes have stood for too long
    after = bench.await_motion()
    assert after["motion"]["stream"] > before["motion"]["stream"]


def test_down_ends_what_a_killed_up_left_behind(bench: Bench) -> None:
    up = bench.up()
    status = bench.await_motion()
    up.kill()
    up.wait()
    assert look_up(status["rt"]["pid"]) is not None
    down = bench.run("down")
    assert down.returncode == 0, down.stderr
    assert_nothing_left(bench)
    after = bench.run("status", "--once")
    assert after.returncode == 5
    assert "DOWN since" in after.stdout


def test_down_finds_what_nobody_wrote_down(bench: Bench) -> None:
    """A killed `up` without its record: segment, cable and the log's memory are found by their names."""
    up = bench.up()
    bench.await_motion()
    up.kill()
    up.wait()
    instance = Instance(bench.name)
    Path(bench.environment["FIELDSTACK_RUNTIME_DIR"], bench.name, RECORD).unlink()
    refused = bench.run("up", "--headless")
    assert refused.returncode == 6, refused.stdout
    assert f"fieldstack down --instance {bench.name}" in refused.stderr
    assert bench.status()["rt"]["state"] == "running"
    down = bench.run("down")
    assert down.returncode == 0, down.stderr
    assert "ending segment" in down.stdout
    assert_nothing_left(bench)
    assert not Path("/dev/shm", instance.spool_name.lstrip("/")).exists()


def test_ctrl_c_ends_a_cell_whose_lines_nobody_reads_and_that_can_write_no_file(bench: Bench) -> None:
    up = bench.up()
    bench.await_motion()
    Path(bench.environment["FIELDSTACK_RUNTIME_DIR"], bench.name, "up.json.tmp").mkdir()
    assert up.stdout is not None
    up.stdout.close()  # Ctrl-C ends what a pipe leads to, too
    up.stdout = None
    up.send_signal(signal.SIGINT)
    assert up.wait(40) == 0
    assert_nothing_left(bench)


def test_for_a_time_ends_by_itself(bench: Bench) -> None:
    up = bench.up("--for", "8s")
    output, _ = up.communicate(timeout=60)
    assert up.returncode == 0, output
    assert_nothing_left(bench)


UNPRIVILEGED = [
    *("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"),
    *("--bounding-set=-all", "--inh-caps=-all"),
]


def unprivileged_python() -> str | None:
    """An interpreter of our version that another user may execute."""
    for name in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}", "/usr/bin/python3"):
        probe = "import sys; sys.exit(sys.version_info[1] != int(sys.argv[1]))"
        again = ["sh", "-c", 'exec "$0" "$@"', name]  # setpriv itself may still execute anything
        command = [*UNPRIVILEGED, *again, "-c", probe, str(sys.version_info.minor)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return name
    return None


def test_without_privileges_it_runs_in_a_namespace_and_says_what_is_degraded() -> None:
    python = unprivileged_python()
    assert python is not None, "no interpreter that an ordinary user may run: install python3 of this version"
    root = Path(__file__).resolve().parents[2]  # an editable installation is no folder of the path
    path = [*sys.path, *(str(folder) for folder in (root, root / "base", root / "rt", root / "ethercat"))]
    name = f"nobody-{os.getpid()}"
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": ":".join(folder for folder in path if folder and "zip" not in folder),
    }
    program = [python, "-c", COMMAND[2]]
    command = [*UNPRIVILEGED, *program, "up", "--headless", "--instance", name, "--for", "60s"]
    up = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    output = ""
    try:
        assert up.stdout is not None
        for line in up.stdout:
            output += line
            if "setpoint stream 1 started" in line:
                up.send_signal(signal.SIGINT)
        up.wait(timeout=40)
    finally:
        up.kill()
        up.communicate()
    assert "degraded: not root" in output
    assert "degraded: no real-time priority" in output
    assert "-> OPERATIONAL" in output, output
    assert "the cell is down" in output, output
    assert not Path("/dev/shm", f"fieldstack-{name}").exists()


def test_a_root_without_capabilities_is_told_what_to_do(tmp_path: Path) -> None:
    environment = os.environ | {
        "FIELDSTACK_RUNTIME_DIR": str(tmp_path),
        "FIELDSTACK_STATE_DIR": str(tmp_path),
    }
    command = [
        "setpriv",
        "--bounding-set=-all",
        "--inh-caps=-all",
        *COMMAND,
        "up",
        "--headless",
        "--for",
        "1s",
    ]
    done = subprocess.run(
        [*command, "--instance", f"bare-{os.getpid()}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "--cap-add NET_ADMIN" in done.stderr
    assert "Traceback" not in done.stderr
