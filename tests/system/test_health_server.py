"""The health server of a whole cell: it answers in time whatever else is dead, stopped or full."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fieldstack.events.kinds import EventKind
from fieldstack.health.model.token import token_file
from fieldstack.status.beat import beat_file, read_beat
from fieldstack.status.endpoint import read_endpoint
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import EstopSource
from tests.system.hook import webhook
from tests.system.running_cell import RunningCell, StartCell, wait_for

pytestmark = pytest.mark.system
BOUND_S = 0.25
"""What is promised of an answer; on a busy machine, of the better half of them."""


@dataclass
class Health:
    cell: RunningCell

    @property
    def url(self) -> str:
        def known() -> str:
            found = read_endpoint(self.cell.instance)
            return found.url if found else ""

        wait_for(known, "the health server's URL")
        return known()

    @property
    def pid(self) -> int:
        beat = read_beat(beat_file(self.cell.instance))
        return beat.pid if beat else 0

    def get(self, path: str) -> tuple[int, str, float]:
        return self._send(urllib.request.Request(self.url + path))

    def code(self, path: str) -> int:
        """0: nobody answers."""
        try:
            return self.get(path)[0]
        except (urllib.error.URLError, ConnectionError):
            return 0

    def post(self, path: str, token: str | None, **body: Any) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        code, text, _ = self._send(request)
        return code, json.loads(text)

    def _send(self, request: urllib.request.Request) -> tuple[int, str, float]:
        begin = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode(), time.monotonic() - begin
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), time.monotonic() - begin

    def answers_in_time(self, until: Callable[[], object], least: int = 30) -> None:
        """Asks all endpoints again and again until it holds: most answers came within the bound."""
        took = list[float]()
        end = time.monotonic() + 30
        while len(took) < least or not until():
            assert time.monotonic() < end, "what was waited for did not come"
            took += [self.get(path)[2] for path in ("/livez", "/readyz?verbose", "/healthz", "/metrics")]
        took.sort()
        print(f"{len(took)} answers: p50 {took[len(took) // 2] * 1e3:.1f} ms, max {took[-1] * 1e3:.1f} ms")
        assert took[len(took) // 2] < BOUND_S


@pytest.fixture
def health(start_cell: StartCell) -> Health:
    cell = start_cell(health={"port": 0})
    cell.await_operational()
    found = Health(cell)
    wait_for(lambda: found.code("/readyz") == 200, "the cell is ready")
    wait_for(lambda: (beat := read_beat(beat_file(cell.instance))) and beat.count, "the server beats")
    return found


def test_it_answers_while_rt_is_killed_and_comes_back(health: Health) -> None:
    cell = health.cell
    assert health.code("/livez") == health.code("/startupz") == 200
    os.kill(cell.pid("rt"), signal.SIGKILL)
    health.answers_in_time(lambda: health.code("/readyz") == 200, least=80)
    assert health.code("/livez") == 200
    starts = 'fieldstack_process_starts_total{process="fieldstack-rt"} 2.0'
    wait_for(lambda: starts in health.get("/metrics")[1], "the second start is counted")
    assert "fieldstack_guard_trips_total 1.0" in health.get("/metrics")[1]


def test_it_answers_while_non_rt_is_stopped_and_when_it_goes_on(health: Health) -> None:
    nonrt = health.cell.pid("nonrt")
    os.kill(nonrt, signal.SIGSTOP)
    try:
        health.answers_in_time(lambda: health.code("/readyz") == 503)
        health.answers_in_time(lambda: health.code("/healthz/control") == 503)
        assert health.code("/livez") == 200  # it may be back within the grace time
    finally:
        os.kill(nonrt, signal.SIGCONT)
    wait_for(lambda: health.code("/healthz/control") == 200, "Non-RT answers again")


def test_it_outlives_non_rt_and_is_adopted(health: Health) -> None:
    pid = health.pid
    os.kill(health.cell.pid("nonrt"), signal.SIGKILL)
    health.answers_in_time(lambda: health.code("/readyz") == 503 or health.cell.store.nonrt_epoch > 1)
    wait_for(lambda: health.code("/healthz/control") == 200, "another Non-RT process answers")
    assert health.pid == pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_died_or_hangs_is_restarted_alone(health: Health, number: signal.Signals) -> None:
    cell, pid = health.cell, health.pid
    before = cell.snapshot()
    os.kill(pid, number)
    wait_for(lambda: health.pid not in (0, pid), "another server", 60)
    wait_for(lambda: health.code("/healthz/control") == 200, "it serves")
    after = cell.snapshot()
    assert [after[name]["pid"] for name in ("rt", "core", "nonrt")] == [
        before[name]["pid"] for name in ("rt", "core", "nonrt")
    ]
    assert after["cycle"]["cycles"] > before["cycle"]["cycles"]
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        raise AssertionError("the old server is still there")


@pytest.fixture
def small_disk(instance: Instance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The state folder on a real file system of a few MiB (the runtime folder is memory everywhere)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a file system needs root")
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(folder / "state"))
    assert instance.state_dir.is_relative_to(folder)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_it_answers_and_alerts_go_out_while_the_disk_is_full(small_disk: Path, start_cell: StartCell) -> None:
    with webhook() as hook:
        channel = {"min_severity": "info", "webhook": {"url": hook.url}}
        cell = start_cell(health={"port": 0}, alerts={"channels": {"ops": channel}})
        cell.await_operational()
        health = Health(cell)
        wait_for(lambda: health.code("/readyz") == 200, "ready")
        with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        health.answers_in_time(lambda: health.code("/healthz/disk") == 503)
        beat = read_beat(beat_file(cell.instance))
        assert health.code("/readyz") == 200
        assert not cell.store.estop.state().latched
        os.kill(cell.pid("rt"), signal.SIGKILL)
        health.answers_in_time(lambda: health.code("/readyz") == 200)
        wait_for(lambda: hook.about("fieldstack-rt"), "people are told of RT")
        wait_for(lambda: read_beat(beat_file(cell.instance)) != beat, "it beats")
        (small_disk / "ballast").unlink()
        wait_for(lambda: health.code("/healthz/disk") == 200, "there is room again")


def test_people_are_told_of_a_crash_and_of_its_end(start_cell: StartCell) -> None:
    with webhook() as hook:
        cell = start_cell(
            alerts={"channels": {"ops": {"min_severity": "info", "webhook": {"url": hook.url}}}}
        )
        cell.await_operational()
        os.kill(cell.pid("rt"), signal.SIGKILL)
        wait_for(lambda: len(hook.about("fieldstack-rt")) >= 2, "the alert and its end")
        first, *_, last = hook.about("fieldstack-rt")
        assert (first["state"], last["state"]) == ("firing", "resolved")
        assert first["incident"] == last["incident"]
        assert first["instance"] == cell.instance.name
        event = next(one for one in cell.events() if one.sequence == first["event"])
        assert event.kind is EventKind.ALERT
        listed = json.loads(cell.command("alerts", "list", "--json").stdout)
        assert listed["live"]
        assert listed["channels"]["ops"]["delivered"] >= 2


def test_commands_need_the_token_and_reach_non_rt(health: Health) -> None:
    cell = health.cell
    token = token_file(cell.instance).read_text().strip()
    body = {"by": "Ann", "reason": "door open"}
    assert health.post("/estop", None, **body)[0] == 401
    assert health.post("/estop", "x" * 43, **body)[0] == 403
    code, answer = health.post("/estop", token, by="Ann")
    assert (code, "'reason' is missing" in answer["message"]) == (400, True)
    assert not cell.store.estop.state().latched
    code, answer = health.post("/estop", token, **body)
    assert (code, answer["ok"]) == (200, True)
    (note,) = cell.store.estop.state().notes
    assert (note.source, note.reason) == (EstopSource.API, "door open (Ann)")
    wait_for(lambda: health.code("/readyz/emergency-stop") == 503, "the latch is seen")
    cell.await_stand()
    wait_for(lambda: health.post("/reset", token, by="Ann", note="closed")[0] == 200, "it is reset")
    wait_for(lambda: health.code("/readyz") == 200, "ready again")


def test_an_emergency_stop_is_latched_without_non_rt(health: Health) -> None:
    token = token_file(health.cell.instance).read_text().strip()
    nonrt = health.cell.pid("nonrt")
    os.kill(nonrt, signal.SIGSTOP)
    try:
        code, answer = health.post("/estop", token, by="Ann", reason="smoke")
        assert (code, answer["ok"]) == (202, False), "latched, and believed by nobody"
        assert "Nobody confirmed it" in answer["message"]
        assert health.cell.store.estop.state().notes[0].reason == "smoke (Ann)"
        code, answer = health.post("/reset", token, by="Ann", note="too early")
        assert (code, answer["ok"]) == (503, False)
    finally:
        os.kill(nonrt, signal.SIGCONT)
