"""A snapshot tells what is down, hangs or was never there, from a real store and real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fieldstack.cell import configuration
from fieldstack.cli.screen.dashboard import render
from fieldstack.ha.checkpoint.record import fill_ha
from fieldstack.ha.monitor.liveness_in_force import publish_rules
from fieldstack.ha.policy.files.cache import load_compiled
from fieldstack.status import snapshot
from fieldstack.status.next_step import next_step
from fieldstack.status.snapshot import Clock, LivenessView, Snapshot
from fieldstack.status.status import StatusSource
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import Clear, DataStore, EstopSource
from fieldstack_rt.datastore.layout import (
    NO_DC,
    AxisMode,
    CoreState,
    HaState,
    RtPhase,
    Stand,
    Stop,
    WkcVerdict,
)

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000


@pytest.fixture
def plan() -> BusPlan:
    return configuration.load(ROOT / "config/cell.yaml").plan


@pytest.fixture
def store(instance: Instance) -> Iterator[DataStore]:
    store = DataStore.create(instance)
    yield store
    store.unlink()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def write_rt(store: DataStore, pid: int, *, phase: RtPhase = RtPhase.CYCLING, age_ns: int = 0) -> None:
    """What a cycle thread leaves behind; the beat is `age_ns` old."""
    now_ns = time.monotonic_ns()
    record = store.new("fs_rt_status")
    record.epoch, record.started_ns, record.cycle, record.cycle_ns = 1, now_ns - age_ns, 100, now_ns - age_ns
    record.wkc = record.expected_wkc = 15
    record.wkc_verdict = WkcVerdict.WHOLE
    record.axis_count = 4
    record.axes[0].position, record.axes[0].velocity = 12_345, -500
    record.axes[0].torque, record.axes[0].statusword = 125, 0x0237
    record.axes[0].state = AxisMode.FOLLOWING
    for axis in record.axes[0:4]:
        axis.stand = Stand.STANDING
    lib.fs_block_write(store.raw, lib.FS_BLOCK_RT_STATUS, record)
    store.raw.header.rt_pid = pid
    store.raw.rt_beat_ns = now_ns - age_ns
    store.raw.rt_phase = phase


def write_nonrt(store: DataStore, pid: int, ha: HaState = HaState.OPERATIONAL) -> None:
    record = store.new("fs_nonrt_status")
    record.pid, record.ha_state = pid, ha
    record.started_ns = record.pass_ns = record.ha_since_ns = time.monotonic_ns()
    record.ha_reason = b"all checks passed"
    store.write_nonrt_status(record)


def look(store: DataStore, plan: BusPlan | None) -> Snapshot:
    return snapshot.take(store, plan, Clock.read())


def test_a_new_store_has_seen_nobody(store: DataStore, plan: BusPlan) -> None:
    shot = look(store, plan)
    assert (shot.rt.state, shot.nonrt.state, shot.core.state) == ("absent", "absent", "absent")
    assert shot.cell == "down"
    assert not shot.operational
    assert shot.ha.state == "UNSUPERVISED"


def test_a_running_cell(store: DataStore, plan: BusPlan, process: subprocess.Popen[bytes]) -> None:
    write_rt(store, process.pid)
    write_nonrt(store, os.getpid())
    shot = look(store, plan)
    assert shot.operational
    assert (shot.rt.state, shot.rt.pid) == ("running", process.pid)
    assert (shot.ha.state, shot.ha.reason) == ("OPERATIONAL", "all checks passed")
    assert (shot.bus.wkc, shot.bus.expected_wkc) == (15, 15)
    axis = shot.axes[0]
    assert (axis.name, axis.unit, axis.position, axis.velocity) == ("x", "mm", 1.2345, -0.05)
    assert (axis.torque_percent, axis.state, axis.drive_state) == (12.5, "FOLLOWING", "Operation enabled")


def test_clocks_are_shown_of_slaves_that_have_one(
    store: DataStore, plan: BusPlan, process: subprocess.Popen[bytes]
) -> None:
    write_rt(store, process.pid)
    bus = store.new("fs_rt_bus")
    bus.slave_count = 2
    bus.slaves[0].dc_difference_ns, bus.slaves[1].dc_difference_ns = -751_310, NO_DC
    store.write_rt_bus(bus)
    assert [slave.dc_difference_ns for slave in look(store, plan).bus.slaves] == [-751_310, None]
    process.kill()
    process.wait()
    assert [slave.dc_difference_ns for slave in look(store, plan).bus.slaves] == [None, None]


def test_a_killed_rt_process_is_dead_since_its_last_beat(
    store: DataStore, plan: BusPlan, process: subprocess.Popen[bytes]
) -> None:
    write_rt(store, process.pid)
    write_nonrt(store, os.getpid())
    process.kill()
    process.wait()
    shot = look(store, plan)
    assert shot.rt.state == "dead"
    assert shot.rt.since is not None
    assert shot.bus.wkc is None
    assert not shot.live
    assert not shot.operational


def test_a_stopped_rt_process_is_halted(
    store: DataStore, plan: BusPlan, process: subprocess.Popen[bytes]
) -> None:
    write_rt(store, process.pid)
    process.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 5
    while (state := look(store, plan).rt.state) == "running" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert state == "halted"


def test_an_rt_process_without_beats_is_silent(
    store: DataStore, plan: BusPlan, process: subprocess.Popen[bytes]
) -> None:
    time.sleep(0.25)  # the process must be older than its last beat
    write_rt(store, process.pid, age_ns=100 * MS)
    assert look(store, plan).rt.state == "running"
    write_rt(store, process.pid, age_ns=205 * MS)
    assert look(store, plan).rt.state == "silent"


def test_the_policy_in_force_says_when_a_process_is_silent(
    store: DataStore, tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    """A policy that is slower than the built-in one, which is told to be used until the policy is known."""
    data = json.loads((ROOT / "config/ha/failover_policy.json").read_text())
    (rt,) = (one for one in data["processes"] if one["process_name"] == "fieldstack-rt")
    rt["health_check_timeout_ms"] = 800
    slower = tmp_path / "policy.json"
    slower.write_text(json.dumps(data))
    source = StatusSource(store.instance)
    time.sleep(0.25)  # the process must be older than its last beat
    write_rt(store, process.pid, age_ns=205 * MS)
    seen = source.take()
    assert (seen.rt.state, seen.liveness.source) == ("silent", "built-in")
    assert "built-in times" in seen.note
    policy = load_compiled(slower, tmp_path / "cache")
    publish_rules(store.instance.liveness_file, policy)
    write_rt(store, process.pid, age_ns=205 * MS)
    seen = source.take()
    assert (seen.rt.state, seen.liveness) == ("running", LivenessView("policy", policy.digest))
    assert "built-in" not in seen.note


@pytest.mark.parametrize(
    ("phase", "state"),
    [(RtPhase.STARTING, "starting"), (RtPhase.STOPPING, "stopping"), (RtPhase.STOPPED, "stopped")],
)
def test_phases_have_their_names(
    store: DataStore, plan: BusPlan, process: subprocess.Popen[bytes], phase: RtPhase, state: str
) -> None:
    write_rt(store, process.pid, phase=phase)
    assert look(store, plan).rt.state == state


def test_what_ha_said_last_is_not_told_as_the_present(store: DataStore, plan: BusPlan) -> None:
    process = subprocess.Popen(["true"])
    write_nonrt(store, process.pid)
    process.wait()
    shot = look(store, plan)
    assert shot.nonrt.state == "dead"
    assert (shot.ha.state, shot.ha.last_state) == ("UNSUPERVISED", "OPERATIONAL")


def test_an_orderly_end_is_no_death(store: DataStore, plan: BusPlan) -> None:
    process = subprocess.Popen(["true"])
    write_nonrt(store, process.pid, HaState.SHUTDOWN)
    store.nonrt_stopping = True
    record = store.new("fs_core_status")
    record.pid, record.state, record.started_ns = process.pid, CoreState.STOPPED, time.monotonic_ns()
    record.pass_ns = record.started_ns
    store.write_core_status(record)
    process.wait()
    shot = look(store, plan)
    assert (shot.nonrt.state, shot.core.state, shot.ha.state) == ("stopped", "stopped", "SHUTDOWN")
    assert shot.cell == "down"
    assert shot.since is not None


def test_a_torn_record_is_no_crash(store: DataStore, plan: BusPlan, process: subprocess.Popen[bytes]) -> None:
    write_rt(store, process.pid)
    for block in range(lib.FS_BLOCK_COUNT):
        lib.fs_block_tear(store.raw, block)
    shot = look(store, plan)
    assert shot.axes == ()
    assert shot.core.state in {"dead", "absent"}


def test_damaged_numbers_are_shown_not_raised(store: DataStore, plan: BusPlan) -> None:
    ffi.memmove(ffi.addressof(store.raw, "rt_status"), b"\xff" * ffi.sizeof("fs_rt_status"), 5000)
    ffi.memmove(ffi.addressof(store.raw, "rt_bus"), b"\xff" * ffi.sizeof("fs_rt_bus"), 500)
    shot = look(store, plan)
    json.dumps(shot.to_dict())


def test_the_latch_with_who_and_why(
    store: DataStore, plan: BusPlan, process: subprocess.Popen[bytes]
) -> None:
    write_rt(store, process.pid)
    store.estop.raise_(EstopSource.OPERATOR, "door open", until=Clear.ON_RESET)
    shot = look(store, plan)
    assert shot.estop.latched
    assert not shot.estop.obeyed
    assert [(s.source, s.reason, s.clear) for s in shot.estop.sources] == [
        ("OPERATOR", "door open", "on_reset")
    ]


def test_the_json_has_what_programs_rely_on(
    store: DataStore, plan: BusPlan, process: subprocess.Popen[bytes]
) -> None:
    write_rt(store, process.pid)
    document: dict[str, Any] = json.loads(json.dumps(look(store, plan).to_dict()))
    for name in ("rt", "nonrt", "core"):
        assert {"pid", "state"} <= set(document[name])
    assert "state" in document["ha"]
    assert {"al_states", "wkc", "expected_wkc"} <= set(document["bus"])
    assert {"wake", "exchange", "lost", "late"} <= set(document["cycle"])
    assert len(document["axes"]) == 4
    assert "latched" in document["estop"]
    assert document["motion"]["stop_reason"] == Stop.NONE.name


def write_core(store: DataStore, pid: int, tasks: dict[str, Any], lost: list[str]) -> None:
    record = store.new("fs_core_status")
    record.pid, record.epoch, record.state, record.tasks_running = pid, 1, CoreState.MOVING, 1
    record.pass_ns, record.speed_override = time.monotonic_ns(), 250
    text = json.dumps({"v": 1, "lost": lost, "tasks": tasks}).encode()
    record.task, record.task_size = text, len(text)
    store.write_core_status(record)


def test_tasks_and_groups_are_told_also_when_core_is_down(
    store: DataStore, plan: BusPlan, process: subprocess.Popen[bytes]
) -> None:
    tasks = {"weld": {"p": "ready", "g": "all", "s": 3, "b": 1}, "old": {"p": "done"}, "bad": 5}
    write_core(store, process.pid, tasks, ["all"])
    seen = snapshot.take(store, plan, Clock.read()).work
    (weld,), (group,) = seen.tasks, seen.groups
    assert (weld.id, weld.state, weld.group, weld.step) == ("weld", "ready", "all", 3)
    assert (seen.tasks_running, seen.tasks_ended, seen.speed_percent) == (1, 1, 25)
    assert (group.axes, group.out_of_use, group.tasks) == (("x", "y", "z", "c"), True, ("weld",))
    process.kill()
    process.wait()
    left = snapshot.take(store, plan, Clock.read()).work
    assert (left.live, left.tasks_running, [one.id for one in left.tasks]) == (False, 0, ["weld"])


def test_the_checkpoint_is_told_with_what_a_restore_came_to(store: DataStore, plan: BusPlan) -> None:
    record = store.new("fs_checkpoint")
    record.generation, record.axis_count, record.written_ns = 7, 4, time.monotonic_ns()
    judged = {"verdict": "go on", "rule": "rt-ran-on", "reason": "the RT process ran on"}
    assert fill_ha(record, {"restore": judged})
    store.write_checkpoint(record)
    (store.instance.state_dir / "checkpoint.1").touch()
    shot = snapshot.take(store, plan, Clock.read())
    kept = shot.checkpoint
    assert (kept.generation, kept.valid, kept.axes, kept.verdict) == (7, True, 4, "go on")
    assert kept.written
    assert kept.filed
    text = Console(width=200)
    with text.capture() as shown:
        text.print(render(shot))
    assert "checkpoint 7 of 4 axes" in shown.get()
    assert "go on [rt-ran-on]" in shown.get()
    store.raw.checkpoint.position[0] = 99
    assert not snapshot.take(store, plan, Clock.read()).checkpoint.valid


def test_without_shared_memory_the_cell_is_down(instance: Instance) -> None:
    shot = StatusSource(instance).take()
    assert shot.cell == "down"
    assert next_step(shot) == f"start it with `fieldstack up --instance {instance.name}`"


def test_a_source_follows_a_memory_that_was_replaced(instance: Instance) -> None:
    source = StatusSource(instance)
    first = DataStore.create(instance)
    write_nonrt(first, os.getpid())
    assert source.take().nonrt.state == "running"
    first.unlink()
    assert source.take().nonrt.state == "absent"
    second = DataStore.create(instance)
    try:
        write_nonrt(second, os.getpid(), HaState.DEGRADED)
        assert source.take().ha.state == "DEGRADED"
    finally:
        second.unlink()
