"""Runs a whole cell under `fieldstack up --headless`, prepared for many faults in a row.

`bench failover` and `bench prediction` use it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fieldstack.bench.harness.errors import ProgramError
from fieldstack.cell import configuration, takedown
from fieldstack.cell.configuration import Cell
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.policy.validation.model import LONGEST_RESUME_MS
from fieldstack.process.nonrt_client import NonRtUnreachableError, ask
from fieldstack_base.instance import Instance
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore, counter_is_good
from fieldstack_rt.datastore.layout import CoreState, GuardState, HaState, RtPhase, StreamState

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 25.0
POLL_S = 0.005
MOST_RESTARTS = 1000
_UP = "from fieldstack.cli.main import main; main()"


@dataclass(frozen=True, slots=True)
class BenchCell:
    """A cell's configuration for the benchmark, its instance and interface ("": a segment of its own)."""

    cell: Cell
    instance: Instance
    interface: str
    log: Path

    @property
    def cycle_ns(self) -> int:
        return self.cell.plan.cycle_time_ns

    @property
    def threshold_cycles(self) -> int:
        return self.cell.config.guard.threshold_cycles


def prepare(base: Path, folder: Path) -> Cell:
    """Changes the configuration of a cell: no restart budget, no backoff, fault injection is allowed.

    Motion resumes by itself after every rule that needs no person, however long the axes stood. Writes the
    changed cell configuration and policy into `folder`. Raises ConfigurationError, PolicyError.
    """
    cell = configuration.load(base)
    policy = json.loads(cell.policy_file.read_text(encoding="utf-8"))
    for process in policy["processes"]:
        process |= {"max_restart_count": MOST_RESTARTS, "restart_delay_ms": 0}
        process |= {"long_max_restart_count": MOST_RESTARTS}
        process |= {"restart_backoff_initial_ms": 0, "restart_backoff_max_ms": 0}
    for budget in policy.get("budgets", []):
        if budget["subject"] == ProcessName.NONRT:
            budget |= {"max_restart_count": MOST_RESTARTS, "long_max_restart_count": MOST_RESTARTS}
    resume_without_start(policy)
    policy.pop("$schema", None)
    (folder / "policy.json").write_text(json.dumps(policy, indent=2), encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(base.read_text(encoding="utf-8"))
    data["bus"] = str((base.resolve().parent / cell.config.bus).resolve())
    data["policy"] = str(folder / "policy.json")
    data.setdefault("rt", {})["fault_injection"] = True
    if "fault_injection" in type(cell.config.core).model_fields:
        data.setdefault("core", {})["fault_injection"] = True
    target = folder / "cell.yaml"
    target.write_text(yaml.safe_dump(data), encoding="utf-8")
    return configuration.load(target)


def resume_without_start(policy: dict[str, Any]) -> None:
    """Lets motion resume: nobody starts the axes after each of hundreds of faults."""
    for rule in policy["rules"]:
        words = [one if isinstance(one, str) else one["action"] for one in rule["actions"]]
        if rule["clear"]["when"] == "gone" and "AWAIT_MANUAL" not in words:
            rule["resume_within_ms"] = LONGEST_RESUME_MS
    policy.setdefault("rt_agent", {})["resume_within_ms"] = LONGEST_RESUME_MS


@contextlib.contextmanager
def running(bench: BenchCell) -> Iterator[DataStore]:
    """Runs the cell; yields its store when it is operational and its axes move. Leaves nothing running.

    Raises:
        ProgramError: the cell did not get operational.
    """
    command = [sys.executable, "-c", _UP, "up", "--headless", "--config", str(bench.cell.file)]
    command += ["--instance", bench.instance.name]
    if bench.interface:
        command += ["--interface", bench.interface]
    with bench.log.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        store = _attach(bench, process)
        await_moving(bench, store)
        yield store
    finally:
        _stop(bench, process)


def remove_traces(instance: Instance) -> None:
    """The instance's folders; for the end of the benchmark."""
    for left in (instance.runtime_dir, instance.state_dir):
        shutil.rmtree(left, ignore_errors=True)


def await_moving(bench: BenchCell, store: DataStore) -> int:
    """Waits until the cell is as before a fault; returns when this was first so, CLOCK_MONOTONIC in ns."""
    until = time.monotonic() + READY_TIMEOUT_S
    while not is_moving(store):
        if time.monotonic() > until:
            state = f"{_state(store)}; {_rules(bench)}"
            reason = f"not operational with moving axes within {READY_TIMEOUT_S:g} s: {state}"
            raise ProgramError("the cell", reason, text_of(bench.log))
        time.sleep(POLL_S)
    return time.monotonic_ns()


def is_moving(store: DataStore) -> bool:
    """Operational, guarded, and the axes follow a stream."""
    status, guard = store.rt_status(), store.guard_status()
    return bool(
        store.rt_phase is RtPhase.CYCLING
        and counter_is_good(status)
        and status.epoch == store.rt_epoch == guard.armed_epoch
        and guard.state == GuardState.ARMED
        and store.nonrt_status().ha_state == HaState.OPERATIONAL
        and store.core_status().state == CoreState.MOVING
        and status.stream_state == StreamState.PLAYING
        and any(status.axes[i].target_velocity for i in range(status.axis_count))
    )


def _state(store: DataStore) -> str:
    nonrt, status, guard = store.nonrt_status(), store.rt_status(), store.guard_status()
    words = (
        f"RT {store.rt_phase.name}",
        f"HA {HaState(nonrt.ha_state).name} ({ffi.string(nonrt.ha_reason).decode(errors='replace')})",
        f"Core {CoreState(store.core_status().state).name}",
        f"guard {GuardState(guard.state).name} (epoch {guard.armed_epoch} of {store.rt_epoch})",
        f"working counter {status.wkc} of {status.expected_wkc}",
        f"stop reason {status.stop_reason}",
        f"stream {StreamState(status.stream_state).name}",
    )
    return ", ".join(words)


def _rules(bench: BenchCell) -> str:
    """The reason why the cell does not move, from Non-RT's status."""
    try:
        status = ask(bench.instance, "status").data["status"]
        found = [f"{one['rule']} of {one['subject']}: {one['cause']}" for one in status["rules"]]
    except (NonRtUnreachableError, KeyError, TypeError) as error:
        return f"Non-RT does not say which rules are active ({error})"
    return "active rules: " + ("; ".join(found) or "none")


def _attach(bench: BenchCell, process: subprocess.Popen[bytes]) -> DataStore:
    from fieldstack_rt.datastore import StoreMissingError

    until = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            return DataStore.attach(bench.instance, timeout_s=0.1)
        except StoreMissingError:
            if process.poll() is not None:
                reason = f"`fieldstack up` ended with code {process.returncode}"
                raise ProgramError("the cell", reason, text_of(bench.log)) from None
            if time.monotonic() > until:
                raise


def _stop(bench: BenchCell, process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        takedown.take_down(bench.instance, lambda _text: None)


def text_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
