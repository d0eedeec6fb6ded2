"""The Non-RT process itself, with processes that fail: budget, operators' commands, adoption, end.

The whole cell on a virtual segment is tested in tests/system.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import posix_ipc
import pytest

from fieldstack.events import EventKind, EventReader, spool
from fieldstack.ha.checkpoint.record import extra_of
from fieldstack.ha.model.measures import FACTS_BY_PROBE, PARTS_WITHOUT_FACTS
from fieldstack.ha.model.states import HaState
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.process.nonrt_client import NonRtUnreachableError, ask
from fieldstack_base.durable import DurableRecord
from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore, EstopSource
from fieldstack_rt.datastore.layout import HaState as LayoutHaState

SHIPPED = Path(__file__).parents[2] / "config/ha/failover_policy.json"
FAILING = (sys.executable, "-c", "import sys; print('no bus here', file=sys.stderr); sys.exit(1)")
WAITING = (sys.executable, "-c", "import time; time.sleep(60)")


HEAVY = (
    "pydantic",
    "yaml",
    "ruckig",
    "prometheus_client",
    "starlette",
    "uvicorn",
    "jsonschema",
    "httpx",
    "typer",
)
FIRST_BEAT = f"""
import os, sys
from fieldstack.nonrt.__main__ import main
from fieldstack_rt.datastore import DataStore

def beat(_store):
    os.write(1, ' '.join(sorted(set({HEAVY}) & set(sys.modules))).encode() + b"|")
    os._exit(0)

DataStore.beat_nonrt = beat
main(["--settings", sys.argv[1]])
"""
"""Ends at what would be the first beat, and tells what of these was loaded until then."""
DIES_AT_A_RESTART = """
import os, sys
from fieldstack.nonrt.__main__ import main
from fieldstack.ha.actuators.processes import Processes

Processes.reboot = lambda *_: os._exit(9)
main(["--settings", sys.argv[1]])
"""
"""As where a restart of RT takes Non-RT, or the machine, along with it."""
PASSES_FAIL = """
import sys
from fieldstack.nonrt.__main__ import main
from fieldstack.ha.monitor.process_monitor import ProcessMonitor

def observe(_self, _now_ns):
    raise RecursionError("no such thing")

ProcessMonitor.observe = observe
main(["--settings", sys.argv[1]])
"""


def wait_for(what: Callable[[], object], timeout_s: float = 15.0) -> None:
    until = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < until, "time is up"
        time.sleep(0.01)


class Cell:
    """A Non-RT process with instance and folders of its own."""

    def __init__(self, folder: Path) -> None:
        self.instance = Instance(f"t-nonrt-{os.getpid()}")
        self.folder = folder
        data = json.loads(SHIPPED.read_text(encoding="utf-8"))
        data["processes"][0] |= {"restart_backoff_initial_ms": 20, "restart_backoff_max_ms": 20}
        self.policy = folder / "policy.json"
        self.policy.write_text(json.dumps(data), encoding="utf-8")
        self.settings = NonRtSettings(
            self.instance.name, str(self.policy), FAILING, guard_cpu=-1, guard_priority=0, stop_timeout_ms=500
        )
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        file = self.folder / "settings.json"
        self.settings.write(file)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fieldstack.nonrt", "--settings", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wait_for(self.answers)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.process.communicate()[0]
        try:
            return ask(self.instance, "status").accepted
        except NonRtUnreachableError:
            return False

    @property
    def ha(self) -> str:
        return str(ask(self.instance, "status").data["status"]["ha"]["state"])

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.communicate(timeout=20)
        return self.process.returncode

    def kinds(self) -> list[str]:
        return [str(event.kind) for event in EventReader(self.instance.state_dir).read()]


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cell]:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    made = Cell(tmp_path)
    yield made
    if made.process is not None:
        made.end(signal.SIGKILL)
    for name in ("rt", "core"):
        if made.instance.pid_file(name).exists():
            pid = json.loads(made.instance.pid_file(name).read_text())["pid"]
            os.kill(pid, signal.SIGKILL)
    DataStore.create(made.instance).unlink()
    if spool.exists(made.instance.spool_name):
        posix_ipc.unlink_shared_memory(made.instance.spool_name)


def test_states_have_the_numbers_of_the_shared_memory() -> None:
    assert {state.name: int(state) for state in HaState} == {one.name: int(one) for one in LayoutHaState}


def test_a_process_that_never_works_ends_in_manual_intervention(cell: Cell) -> None:
    cell.start()
    wait_for(lambda: cell.ha == "MANUAL_INTERVENTION")
    reason = ask(cell.instance, "status").data["status"]["ha"]["reason"]
    assert "restarted 5 times within 60 s" in reason
    assert "last words: no bus here" in reason
    store = DataStore.attach(cell.instance)
    assert store.estop.state().on_reset
    assert not store.motion_permit
    before = store.nonrt_beat
    wait_for(lambda: store.nonrt_beat > before)
    assert cell.end() == 0
    assert store.nonrt_stopping


def test_a_killed_non_rt_process_remembers_budget_and_latch(cell: Cell) -> None:
    cell.start()
    wait_for(lambda: cell.ha == "MANUAL_INTERVENTION")
    time.sleep(0.2)  # the disk has it
    cell.end(signal.SIGKILL)
    DataStore.create(cell.instance).unlink()  # as after a reboot
    cell.start()
    wait_for(lambda: cell.ha == "MANUAL_INTERVENTION")
    store = DataStore.attach(cell.instance)
    assert store.estop.state().on_reset
    answer = ask(cell.instance, "reset", by="Ann", note="cable is back")
    assert not answer.accepted, "it fails again: nothing was read back"
    assert "starting fieldstack-rt; axis faults reset; but NOT CONFIRMED: RT does not cycle" in answer.message
    wait_for(lambda: cell.ha == "MANUAL_INTERVENTION")  # it fails again, with a new budget
    text = [event.text for event in EventReader(cell.instance.state_dir).read()]
    assert any("cable is back" in line for line in text)


def test_without_a_readable_checkpoint_the_cell_is_stopped_until_a_person_resets_it(cell: Cell) -> None:
    cell.settings = replace(cell.settings, rt_command=WAITING)
    cell.instance.prepare()
    DurableRecord(cell.instance.state_dir, "checkpoint").save({"version": 99})
    cell.start()
    for _ in range(2):
        store = DataStore.attach(cell.instance)
        (note,) = store.estop.state().notes
        assert (note.source, "cannot be read" in note.reason) == (EstopSource.OTHER, True)
        assert store.estop.state().on_reset
        assert cell.end() == 0
        DataStore.create(cell.instance).unlink()  # as after a reboot
        cell.start()


def test_running_processes_are_adopted_and_outlive_a_kill(cell: Cell) -> None:
    cell.settings = replace(cell.settings, rt_command=WAITING, core_command=WAITING)
    cell.start()
    pids = [json.loads(cell.instance.pid_file(name).read_text())["pid"] for name in ("rt", "core")]
    store = DataStore.attach(cell.instance)
    store.speed_override, store.axes_blocked = 500, 0b1  # ordered by a rule that is gone by then
    cell.end(signal.SIGKILL)
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    cell.start()
    wait_for(lambda: (store.speed_override, store.axes_blocked) == (1000, 0))
    status = ask(cell.instance, "status").data["status"]
    assert [status["rt"]["pid"], status["core"]["pid"]] == pids
    assert cell.kinds().count(str(EventKind.PROCESS_ADOPTED)) == 2
    assert ask(cell.instance, "shutdown", by="Ann").accepted
    assert cell.end() == 0
    assert not any(cell.instance.pid_file(name).exists() for name in ("rt", "core"))


def test_a_restart_beats_before_anything_heavy_is_loaded(cell: Cell) -> None:
    """Who starts for the first time validates the policy; who comes back finds it compiled."""
    file = cell.folder / "settings.json"
    cell.settings.write(file)
    cell.instance.prepare()
    loaded = [
        subprocess.run(
            [sys.executable, "-c", FIRST_BEAT, str(file)],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout
        for _ in range(2)
    ]
    assert loaded == ["pydantic|", "|"]


def test_a_restart_has_counted_before_it_is_tried(cell: Cell) -> None:
    file = cell.folder / "settings.json"
    cell.settings.write(file)
    code = subprocess.run([sys.executable, "-c", DIES_AT_A_RESTART, str(file)], check=False, timeout=20)
    assert code.returncode == 9
    kept = extra_of(DataStore.attach(cell.instance).checkpoint())["state"]
    assert len(kept["budgets"]["fieldstack-rt"]["restarts"]) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_on_a_full_disk_restarts_are_made_and_counted_and_end(cell: Cell) -> None:
    """With a disk that takes no block RT is started again as ever, until its budget is spent; a Non-RT
    process that comes after a power cut knows of it."""
    cell.settings = replace(cell.settings, rt_command=WAITING)
    cell.instance.prepare()
    folder = cell.instance.state_dir
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], check=True)
    try:
        cell.start()
        wait_for((folder / "restart-counts").exists)
        wait_for((folder / "checkpoint.1").exists)
        with (folder / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(4096))
        killed = {0}
        for _ in range(6):
            wait_for(lambda: rt_pid(cell) not in killed, 5)
            pid = rt_pid(cell)
            assert pid > 1
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: cell.ha == "MANUAL_INTERVENTION")
        cell.end(signal.SIGKILL)
        DataStore.create(cell.instance).unlink()  # as after a power cut
        cell.start()
        wait_for(lambda: cell.ha == "MANUAL_INTERVENTION")
        reason = ask(cell.instance, "status").data["status"]["ha"]["reason"]
        assert "restarted 5 times within 60 s" in reason
        cell.end(signal.SIGKILL)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def rt_pid(cell: Cell) -> int:
    """0: there is none."""
    file = cell.instance.pid_file("rt")
    return int(json.loads(file.read_text())["pid"]) if file.exists() else 0


def test_leave_running_ends_alone(cell: Cell) -> None:
    cell.settings = replace(cell.settings, rt_command=WAITING, leave_running=True)
    cell.start()
    pid = json.loads(cell.instance.pid_file("rt").read_text())["pid"]
    assert cell.end() == 0
    assert Path(f"/proc/{pid}").exists()


def test_every_command_is_answered(cell: Cell) -> None:
    cell.settings = replace(cell.settings, rt_command=WAITING)
    cell.start()
    unknown = ask(cell.instance, "bogus")
    assert (unknown.accepted, "known are: reset" in unknown.message) == (False, True)
    assert not ask(cell.instance, "restart", process="segment").accepted
    refused = ask(cell.instance, "reset", by="Ann")
    assert not refused.accepted
    assert "the RT process is starting" in refused.message
    stopped = ask(cell.instance, "estop", reason="hand in the way", by="Ann")
    assert stopped.accepted
    assert "RT does not cycle" in stopped.message
    store = DataStore.attach(cell.instance)
    assert store.estop.state().notes[0].reason == "hand in the way (Ann)"


def run_to_its_end(cell: Cell, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Non-RT process that is to end by itself."""
    file = cell.folder / "settings.json"
    cell.settings.write(file)
    return subprocess.run(
        [sys.executable, "-m", "fieldstack.nonrt", "--settings", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env=os.environ | environment,
    )


def test_a_part_that_fails_is_told_and_every_part_has_a_known_name(cell: Cell) -> None:
    cell.settings = replace(cell.settings, rt_command=WAITING, fault_injection=True)
    cell.start()
    told = ask(cell.instance, "status").data["status"]
    blind = {one["subject"]: one["value"] for one in told["measures"] if one["fact"] == "probe_blind"}
    assert set(blind) == set(FACTS_BY_PROBE) | PARTS_WITHOUT_FACTS
    assert set(blind.values()) == {0.0}
    assert not ask(cell.instance, "inject", probe="axis", for_ms=100).accepted
    assert ask(cell.instance, "inject", probe="tasks", for_ms=600).accepted
    wait_for(lambda: "probe-blind" in rules_of(cell))
    wait_for(lambda: "probe-blind" not in rules_of(cell))
    texts = [event.text for event in EventReader(cell.instance.state_dir).read()]
    assert any("probe:tasks failed" in text for text in texts)
    assert any("probe:tasks is well again" in text for text in texts)


def rules_of(cell: Cell) -> set[str]:
    return {one["rule"] for one in ask(cell.instance, "status").data["status"]["rules"]}


def test_faults_are_injected_where_the_cell_takes_them_alone(cell: Cell) -> None:
    cell.settings = replace(cell.settings, rt_command=WAITING)
    cell.start()
    assert "fault_injection: true" in ask(cell.instance, "inject", probe="axes", for_ms=100).message


def test_passes_that_fail_again_and_again_end_the_process_and_say_why(cell: Cell) -> None:
    """As for a record that nobody can read: the axes have no permit, people are told, and where is known."""
    cell.settings = replace(cell.settings, rt_command=WAITING)
    file = cell.folder / "settings.json"
    cell.settings.write(file)
    done = subprocess.run(
        [sys.executable, "-c", PASSES_FAIL, str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "RecursionError" in done.stderr
    events = list(EventReader(cell.instance.state_dir).read())
    assert sum("a pass failed" in event.text for event in events if event.kind is EventKind.SUPERVISION) == 3
    (alert,) = [event for event in events if event.data.get("rule") == "supervision-failed"]
    assert alert.kind is EventKind.ALERT
    assert not DataStore.attach(cell.instance).motion_permit


def test_an_instance_has_one_non_rt_process(cell: Cell) -> None:
    cell.settings = replace(cell.settings, rt_command=WAITING)
    cell.start()
    second = run_to_its_end(cell)
    assert second.returncode == 6
    assert "a cell has one Non-RT process" in second.stderr
    assert cell.answers()


def test_a_bad_policy_starts_nothing(cell: Cell) -> None:
    cell.policy.write_text("{}", encoding="utf-8")
    run = run_to_its_end(cell)
    assert run.returncode == 3
    assert "rules: is missing" in run.stderr
    assert not cell.instance.state_dir.exists()


def test_without_a_system_bus_it_says_what_to_do(cell: Cell) -> None:
    cell.settings = replace(cell.settings, process_manager="systemd", rt_unit="rt.service")
    address = str(cell.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(10)
        systemd.bind(address)
        run = run_to_its_end(
            cell, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent/bus", NOTIFY_SOCKET=address
        )
        told = systemd.recv(4096).decode()
    assert run.returncode == 1
    assert "is dbus.service running?" in run.stderr
    assert "Traceback" not in run.stderr
    assert told.startswith("STATUS=failed: systemd cannot be reached")
