"""What is ended, in which order, and what is left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fieldstack.cell import takedown
from fieldstack.cell.takedown import end_process, take_down
from fieldstack.status.up_record import UpRecord
from fieldstack_base.instance import Instance
from fieldstack_base.proc.process import by_systemd
from fieldstack_rt.datastore import DataStore

REAPED = 0
"""What `wait` says of a child that `take_down` has reaped before."""


def of(instance: Instance) -> list[str]:
    return [sys.executable, "-c", "import time; time.sleep(60)", "--instance", instance.name]


def test_a_process_has_its_signal_before_anybody_is_told() -> None:
    def say(_text: str) -> None:
        raise OSError("nobody listens")

    with subprocess.Popen(["sleep", "60"]) as process:
        with pytest.raises(OSError, match="nobody listens"):
            end_process("segment", process.pid, time.monotonic_ns(), 5.0, say)
        assert process.wait(5) == -signal.SIGTERM


@pytest.mark.parametrize("which", ["segment_pid", "nonrt_pid", "health_pid"])
def test_what_up_knows_is_ended_though_it_could_not_write_it_down(instance: Instance, which: str) -> None:
    """Nor has it a beat yet, or a place in the shared memory."""
    UpRecord(written_ns=1).write(instance)  # of before
    with subprocess.Popen(["sleep", "60"]) as process:
        pids = [process.pid if name == which else 0 for name in ("segment_pid", "nonrt_pid", "health_pid")]
        known = UpRecord(time.monotonic_ns(), pids[0], pids[1], health_pid=pids[2])
        assert take_down(instance, lambda _text: None, known)
        assert process.wait(5) in (-signal.SIGTERM, REAPED)


def test_what_systemd_looks_after_keeps_running_and_keeps_its_memory(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DataStore.create(instance)
    try:
        with subprocess.Popen(of(instance)) as process:
            monkeypatch.setattr(takedown, "by_systemd", lambda pids, _name: process.pid in pids)
            store.raw.core_status.pid = process.pid
            said: list[str] = []
            assert not take_down(instance, said.append)
            assert process.poll() is None
            assert Path("/dev/shm", instance.shm_name.lstrip("/")).exists()
            assert f"(pid {process.pid}) still runs" in " ".join(said)
            process.kill()
            process.wait()
            take_down(instance, said.append)
            assert not Path("/dev/shm", instance.shm_name.lstrip("/")).exists()
    finally:
        store.unlink()


@pytest.mark.parametrize("word", ["rt_pid", "core_status.pid", "nonrt_status.pid"])
def test_a_stray_pid_in_the_memory_ends_no_process_of_others(instance: Instance, word: str) -> None:
    store = DataStore.create(instance)
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            record, _, name = word.rpartition(".")
            setattr(getattr(store.raw, record or "header"), name, process.pid)
            store.raw.rt_beat_ns = store.raw.core_status.pass_ns = time.monotonic_ns()
            store.raw.nonrt_status.pass_ns = time.monotonic_ns()
            take_down(instance, lambda _text: None)
            assert process.poll() is None
            assert not Path("/dev/shm", instance.shm_name.lstrip("/")).exists(), "nor does it keep the memory"
        finally:
            process.kill()
            store.unlink()


@pytest.mark.parametrize(
    ("group", "found"),
    [
        ("/system.slice/system-fieldstack\\x2drt.slice/fieldstack-rt@press-2.service", True),
        ("/system.slice/fieldstack-rt@press-22.service", False),
        ("/system.slice/fieldstack-up@press-2.service", False),  # a unit of somebody's own around `up`
        ("/user.slice/fieldstack-bench.scope", False),
    ],
)
def test_only_the_units_of_the_instance_are_systemds(
    group: str, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"0::{group}\n")
    assert by_systemd([1], "press-2") is found
