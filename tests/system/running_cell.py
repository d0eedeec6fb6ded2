"""A whole cell as a user starts it, `fieldstack up` with all its processes, and what a test sees of it.

The truth about outputs and motors is the segment's; store, status and events are what the cell says.
"""

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
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from fieldstack.cell.cable import Cable
from fieldstack.events.event import Event
from fieldstack.events.kinds import EventKind
from fieldstack.events.reader import EventReader
from fieldstack.status.status import StatusSource
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_ethercat.segment.client import SegmentClient
from fieldstack_rt.datastore import DataStore

CONFIG = Path(__file__).resolve().parents[2] / "config"
SHIPPED_POLICY = CONFIG / "ha/failover_policy.json"
PATIENT_MS = 60_000
MAIN = "from fieldstack.cli.entry import fieldstack; fieldstack()"
RT_MAIN = "from fieldstack.cli.rt import main; main()"
PATIENCE_S = 30.0
"""Far beyond what a busy machine needs: a time-out means that something does not happen at all."""
TOLD_EVENTS = 120
NOISE = ("late_wakeup", "frame_lost", "wkc_back")
"""Codes of RT's events that a busy machine causes by the hundred."""
FAST_SHARE = 0.25
"""Of an axis's velocity limit: from there on it cannot have come to its way point within 0.1 s."""


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Until the condition holds; AssertionError names what did not come."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.005)


def cell_file(folder: Path, *, bus: Path | None = None, policy: Path | None = None, **sections: Any) -> Path:
    """A cell configuration: faults may be injected, the axes are quick, what resumes by itself does so after
    however long; all else as shipped or given."""
    document = {
        "bus": str(bus or CONFIG / "ethercat/cell.yaml"),
        "policy": str(policy or policy_file(folder)),
        **sections,
        "rt": {"fault_injection": True, **sections.get("rt", {})},
        "core": {"speed_percent": 50, "dwell_ms": 10, **sections.get("core", {})},
    }
    file = folder / "cell.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def policy_file(folder: Path, change: Callable[[dict[str, Any]], None] = lambda _: None) -> Path:
    """A changed copy of the shipped failover policy. A busy machine needs longer to be back."""
    policy = json.loads(SHIPPED_POLICY.read_text(encoding="utf-8"))
    for part in (*policy["rules"], policy["rt_agent"]):
        if part.get("resume_within_ms"):
            part["resume_within_ms"] = PATIENT_MS
    change(policy)
    file = folder / "policy.json"
    file.write_text(json.dumps(policy), encoding="utf-8")
    return file


@dataclass
class RunningCell:
    """One instance on folders of its own."""

    instance: Instance
    config: Path
    segment_socket: Path
    up: subprocess.Popen[str]
    log: Path
    _clients: list[SegmentClient] = field(default_factory=list)

    # ---- truth ----

    @property
    def segment(self) -> SegmentClient:
        if not self._clients:
            self._clients.append(SegmentClient(self.segment_socket))
        return self._clients[0]

    @cached_property
    def plan(self) -> BusPlan:
        bus = yaml.safe_load(self.config.read_text(encoding="utf-8"))["bus"]
        return plan_from_file(Path(bus))

    def all_safe(self) -> bool:
        return all(slave.safe for slave in self.segment.truth())

    def _fast_axes(self) -> int:
        """Motors that turn fast and do not slow down yet."""
        before = self.segment.truth()
        time.sleep(0.005)
        now = self.segment.truth()
        speeds = [
            (axis, abs(before[axis.slave].velocity), abs(now[axis.slave].velocity)) for axis in self.plan.axes
        ]
        return sum(
            speed > FAST_SHARE * axis.velocity_max_counts_s and speed >= earlier * 0.99
            for axis, earlier, speed in speeds
        )

    def await_operational(self) -> None:
        """Until the cell says so and its Main Core is at work, too."""
        self.await_snapshot(
            lambda s: s["operational"] and s["core"]["state"] == "running", "the cell is operational"
        )

    def await_motion(self) -> None:
        """Until a motor really turns fast, in a cell that calls itself operational."""
        self.await_operational()
        wait_for(self._fast_axes, "a motor turns fast")

    def await_stand(self) -> None:
        """Until no motor turns any more."""
        drives = {axis.slave for axis in self.plan.axes}

        def stands() -> bool:
            return all(abs(s.velocity) < 50 for s in self.segment.truth() if s.position_in_chain in drives)

        wait_for(stands, "the motors stand")

    # ---- what the cell says ----

    @cached_property
    def store(self) -> DataStore:
        return DataStore.attach(self.instance, timeout_s=PATIENCE_S)

    @cached_property
    def _status(self) -> StatusSource:
        return StatusSource(self.instance)

    def snapshot(self) -> dict[str, Any]:
        """What the status command prints, without starting a process for it."""
        return self._status.take().to_dict()

    def await_snapshot(self, wanted: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def look() -> object:
            found[:] = [self.snapshot()]
            return wanted(found[0])

        wait_for(look, what)
        return found[0]

    def await_ha(self, state: str) -> dict[str, Any]:
        return self.await_snapshot(lambda s: s["ha"]["state"] == state, f"the cell is in {state}")

    def pid(self, process: str) -> int:
        """Of `rt`, `nonrt` or `core`, which must be there."""
        pid = self.snapshot()[process]["pid"]
        assert pid
        return int(pid)

    def last_event(self) -> int:
        last = EventReader(self.instance.state_dir).last(1)
        return last[0].sequence if last else 0

    def events(self, since: int = 0, kind: EventKind | None = None) -> list[Event]:
        found = EventReader(self.instance.state_dir).read(since)
        return [event for event in found if kind is None or event.kind == kind]

    def await_event(self, since: int, kind: EventKind, **fields: Any) -> Event:
        """The first event after number `since` of this kind with these fields in its data."""
        found: list[Event] = []

        def look() -> bool:
            found[:] = [
                event
                for event in self.events(since, kind)
                if all(event.data.get(key) == value for key, value in fields.items())
            ]
            return bool(found)

        wait_for(look, f"event {kind} {fields}")
        return found[0]

    def await_passes(self, count: int) -> None:
        """Until the Non-RT process has supervised so many times: it had its chance to do something."""
        first = self.store.nonrt_beat
        wait_for(lambda: self.store.nonrt_beat >= first + count, "supervision passes")

    # ---- acting ----

    def command(self, *arguments: str, program: str = MAIN) -> subprocess.CompletedProcess[str]:
        """Runs a `fieldstack` command on this instance to its end."""
        line = [sys.executable, "-c", program, *arguments, "--instance", self.instance.name]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    def status(self) -> tuple[int, dict[str, Any]]:
        """Exit code and document of `fieldstack-rt status --json`."""
        done = self.command("status", "--json", program=RT_MAIN)
        return done.returncode, json.loads(done.stdout)

    def reset(self) -> None:
        done = self.command("reset", "--note", "by a test")
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        done = self.command("start", "--note", "by a test")
        assert done.returncode == 0, done.stderr

    def reset_and_start(self) -> None:
        """What people do once a cause has gone: make it ready, look, let it move."""
        self.reset()
        self.start()

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Asks `up` to end; its exit code."""
        self.up.send_signal(number)
        return self.up.wait(60)

    def output(self) -> str:
        """What `up` has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    # ---- afterwards ----

    def processes(self) -> list[str]:
        """All living processes of this instance: they have its runtime folder in their environment."""
        mark = f"FIELDSTACK_RUNTIME_DIR={self.instance.runtime_dir.parent}".encode()
        found = [pid for pid in _pids() if mark in _environment(pid) and _parent(pid) != os.getpid()]
        return [f"{pid} {_command_line(pid)}" for pid in found]

    def leftovers(self) -> list[str]:
        """Everything of this instance that outlived it."""
        cable = Cable.of(self.instance)
        places = [Path("/sys/class/net", name) for name in (cable.master, cable.segment)]
        places.append(Path("/dev/shm", self.instance.shm_name.lstrip("/")))
        return self.processes() + [str(place) for place in places if place.exists()]

    def remove(self) -> None:
        """Whatever state the cell is in: nothing of it stays."""
        for client in self._clients:
            client.close()
        if self.up.poll() is None:
            self.up.kill()
        self.up.wait()
        for line in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[0]), signal.SIGCONT)
        self.command("down")
        for line in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[0]), signal.SIGKILL)

    def tell_story(self) -> None:
        """For the report of a failed test."""
        print("---- the end of the event log ----")
        told = [
            event
            for event in self.events()
            if event.kind is not EventKind.RT_DISTURBED and event.data.get("code") not in NOISE
        ]
        for event in told[-TOLD_EVENTS:]:
            print(f"{event.t_ns / 1e9:.6f} {event.severity:8} {event.text}")
        print("---- the end of what `up` printed ----")
        print(self.output()[-3000:])
        for file in ("nonrt.log", "fieldstack-rt.log", "fieldstack-core.log", "segment.log"):
            text = "".join(path.read_text(errors="replace") for path in self.instance.runtime_dir.glob(file))
            print(f"---- the end of {file} ----\n{text[-2000:]}")


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _parent(pid: int) -> int:
    """What the test itself has started is not the cell's; 0: it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "?"


@contextlib.contextmanager
def running_cell(
    instance: Instance, config: Path, *, interface: str | None = None, socket: Path | None = None
) -> Iterator[RunningCell]:
    """A started cell, from the first moment on. It must end in order and leave nothing behind.

    `interface` and `socket` name a segment that the test runs itself and that outlives the cell.
    """
    log = config.with_name("up.log")
    command = [sys.executable, "-c", MAIN, "up", "--headless", "--instance", instance.name]
    command += ["--config", str(config), *(["--interface", interface] if interface else [])]
    with log.open("w", encoding="utf-8") as output:
        up = subprocess.Popen(command, stdout=output, stderr=output, text=True)
    cell = RunningCell(instance, config, socket or instance.segment_socket, up, log)
    try:
        yield cell
        if up.poll() is None:
            assert cell.end() == 0, cell.output()
        assert "Traceback" not in cell.output()
        assert cell.leftovers() == []
    finally:
        cell.tell_story()
        cell.remove()


StartCell = Callable[..., RunningCell]
"""The fixture `start_cell`: sections of the cell configuration in, a running cell out."""
