"""The benchmarks themselves, short: what they write down, and that they leave nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system
COMMAND = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"  # a background job ignores it
    "from fieldstack.cli.main import main; main()"
)


def bench(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "bench", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], timeout_s: float = 90.0, code: int = 0) -> str:
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert process.returncode == code, output + errors
    return output


def left_behind(pid: int) -> list[str]:
    """Shared memory, folders, interfaces and processes of a benchmark that was process `pid`."""
    name = f"bench-{pid}"
    places = [Path("/dev/shm", f"fieldstack-{name}"), Path("/dev/shm", f"fieldstack-{name}.events")]
    places += [Path("/run/fieldstack", name)]
    places += [Path("/sys/class/net", f"fm{pid}.0"), Path("/sys/class/net", f"fs{pid}.0")]
    found = [str(place) for place in places if place.exists()]
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if name in command or f"fs{pid}.0" in command:
                found.append(command)
    return found


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_cycle_writes_what_was_measured_beside_its_references(tmp_path: Path) -> None:
    with_cyclictest = shutil.which("cyclictest") is not None
    reference = "concurrent" if with_cyclictest else "none"
    options = ("--seconds", "1", "--rounds", "1", "--bare-seconds", "0.5", "--load", "gil")
    process = bench("cycle", *options, "--reference", reference, "--json", str(tmp_path / "c.json"))
    finish(process)
    found = read(tmp_path / "c.json")
    names = ["wake_us", "exchange_us", "reference_exchange_us", "reference_exchange_spin_us"]
    names += ["wake_unloaded_us", *(["reference_wake_us"] if with_cyclictest else [])]
    for name in names:
        percentiles = found[name]
        assert 0 < percentiles["p50"] <= percentiles["p99"] <= percentiles["p999"] <= percentiles["max"]
    assert found["cycles"] == found["wake_us"]["count"] > 100
    assert found["lost"] >= 0
    assert found["late"] >= 0
    assert found["missed_samples"] == 0
    assert sum(found["causes"].values()) <= found["lost"] + found["late"]
    assert {"wake_p99_loaded", "exchange_p50"} <= set(found["ratios"])
    assert found["machine"]["kernel"]
    assert left_behind(process.pid) == []


@pytest.mark.parametrize("fault", ["sigsegv", "spin"])
def test_failover_writes_what_the_slaves_saw(tmp_path: Path, fault: str) -> None:
    options = ("--runs", "1", "--settle", "0.2", "--json", str(tmp_path / "f.json"))
    process = bench("failover", "--fault", fault, *options)
    output = finish(process)
    found = read(tmp_path / "f.json")
    assert found["runs"] == 1
    for name in ("detect_us", "safe_frame_us", "outputs_safe_us", "back_in_op_ms", "reference_bringup_ms"):
        assert found[name]["p50"] > 0, output
    steps = found["each"][0]["steps_ms"]
    assert list(steps) == [
        "detected",
        "fenced",
        "safe outputs confirmed",
        "checkpoint read",
        "restart",
        "heartbeat back",
        "recovered",
    ]
    assert found["back_in_op_ms"]["p50"] < found["moving_again_ms"]["p50"]
    assert left_behind(process.pid) == []


@pytest.mark.parametrize("fault", ["nonrt-kill", "disk-full", "ignored-stop"])
def test_faults_of_the_rest_lose_nothing(tmp_path: Path, fault: str) -> None:
    options = ("--runs", "1", "--settle", "0.2", "--json", str(tmp_path / "f.json"))
    process = bench("failover", "--fault", fault, *options)
    output = finish(process)
    found = read(tmp_path / "f.json")
    assert (found["fault"], found["runs"]) == (fault, 1)
    for name in ("detect_ms", "react_ms", "back_ms", "moving_again_ms"):
        assert found[name]["p50"] > 0, output
    assert set(found["lost"].values()) == {0}, output
    assert left_behind(process.pid) == []


def test_an_interrupted_benchmark_leaves_nothing(tmp_path: Path) -> None:
    process = bench("failover", "--runs", "50", "--json", str(tmp_path / "f.json"))
    until = time.monotonic() + 30
    while not Path(f"/dev/shm/fieldstack-bench-{process.pid}").exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    finish(process, timeout_s=60, code=130)
    assert not (tmp_path / "f.json").exists()
    assert left_behind(process.pid) == []


def test_a_real_bus_needs_its_configuration() -> None:
    process = bench("cycle", "--interface", "nosuch0")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "--config" in errors
