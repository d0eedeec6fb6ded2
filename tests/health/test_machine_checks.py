"""Clock and real-time set-up: what would make the cycle late, or the log's times wrong."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from fieldstack.health.model.result import Level
from fieldstack.health.sources.clock import ClockSource, ClockWatch
from fieldstack.health.sources.disk import DiskSource
from fieldstack.health.sources.setup import SetupSource, cpu_list
from fieldstack.host.memory_lock import MemoryLock
from tests.health.observed import CLOCK, NOW, SETUP, THREAD, S, check, seen


@pytest.mark.parametrize(
    ("name", "setup", "says"),
    [
        ("rt-scheduler", replace(SETUP, thread=replace(THREAD, policy="SCHED_OTHER")), "runs as SCHED_OTHER"),
        ("rt-scheduler", replace(SETUP, thread=replace(THREAD, cpus=(0, 1))), "may run on 2 CPUs"),
        ("rt-scheduler", replace(SETUP, thread=None), "does not run"),
        ("rt-memory", replace(SETUP, thread=replace(THREAD, locked_kb=0)), "0 of 30000 KiB"),
        ("rt-memory", replace(SETUP, thread=replace(THREAD, locked_kb=20_000)), "20000 of 30000 KiB"),
        ("rt-memory", replace(SETUP, thread=None), "does not run"),
        ("guard-memory", replace(SETUP, nonrt_memory=None), "may not be looked at"),
        ("rt-memory", replace(SETUP, transparent_huge_pages="always"), "always on"),
        (
            "guard-memory",
            replace(SETUP, nonrt_memory=MemoryLock("not locked", 0, 40_000, 900_000)),
            "0 of 900000",
        ),
        (
            "guard-memory",
            replace(SETUP, nonrt_memory=MemoryLock("partly", 3400, 40_000, 900_000)),
            "guard alone",
        ),
        ("guard-memory", replace(SETUP, nonrt_memory=MemoryLock()), "may not be looked at"),
        ("rt-isolation", replace(SETUP, isolated=()), "CPU 3 is not in isolcpus"),
        ("rt-isolation", replace(SETUP, nohz_full=(1, 2)), "CPU 3 is not in nohz_full"),
        ("rt-kernel", replace(SETUP, kernel_realtime=False), "no PREEMPT_RT"),
        ("rt-kernel", replace(SETUP, rt_runtime_us=950_000), "950000 of 1000000 us"),
        ("rt-kernel", replace(SETUP, fair_server_us=50_000), "50000 us of each second"),
        ("rt-power", replace(SETUP, governors={3: "powersave"}), "governor powersave"),
        ("rt-power", replace(SETUP, idle_latency_us=300, dma_latency_us=None), "takes 300 us"),
        ("rt-power", replace(SETUP, throttled_ns=NOW - 60 * S), "throttled for heat"),
    ],
)
def test_each_weakness_is_a_warning_with_a_remedy(name: str, setup: object, says: str) -> None:
    found = check(name, seen(setup=setup)).finding
    assert found.level is Level.WARN
    assert says in found.text


def test_locked_memory_of_the_guard_is_well() -> None:
    setup = replace(SETUP, nonrt_memory=MemoryLock("locked", 899_900, 40_000, 900_000))
    assert check("guard-memory", seen(setup=setup)).level is Level.PASS


def test_a_held_dma_latency_makes_deep_idle_states_harmless() -> None:
    setup = replace(SETUP, idle_latency_us=300, dma_latency_us=0)
    assert check("rt-power", seen(setup=setup)).level is Level.PASS


def test_a_clock_that_jumped_is_told_for_an_hour() -> None:
    jumped = replace(CLOCK, jumps=1, last_jump_s=-3.5, last_jump_ns=NOW - 60 * S)
    assert "jumped by -3.500 s 60 s ago" in check("clock", seen(clock=jumped)).finding.text
    old = replace(jumped, last_jump_ns=NOW - 3601 * S)
    assert check("clock", seen(clock=old)).level is Level.PASS
    assert check("clock", seen(clock=replace(CLOCK, synchronized=False))).level is Level.WARN
    assert check("clock", seen(clock=replace(CLOCK, synchronized=None))).level is Level.PASS
    assert check("clock", seen(clock=replace(CLOCK, wall_s=10.0))).level is Level.WARN


def test_a_step_is_a_jump_and_slewing_or_sleep_is_none() -> None:
    watch = ClockWatch()
    mono, wall, boot = 100 * S, 1_800_000_000 * S, 100 * S
    watch.note(mono, wall, boot)
    watch.note(mono + S, wall + S + S // 2000, boot + S)  # slewed by 500 ppm
    assert (watch.jumps, watch.suspends) == (0, 0)
    watch.note(mono + 2 * S, wall + 3602 * S, boot + 3602 * S)  # asleep for an hour
    assert (watch.jumps, watch.suspends) == (0, 1)
    watch.note(mono + 3 * S, wall + 3633 * S, boot + 3603 * S)
    assert (watch.jumps, watch.last_jump_s) == (1, pytest.approx(30, abs=0.01))
    watch.note(mono + 4 * S, wall + 3574 * S, boot + 3604 * S)
    assert (watch.jumps, watch.last_jump_s) == (2, pytest.approx(-60, abs=0.01))


def test_this_machines_clock_and_disk_can_be_read(tmp_path: Path) -> None:
    view = ClockSource().read()
    assert view.jumps == 0
    assert view.synchronized in (True, False, None)
    (disk,) = DiskSource({"state": tmp_path}).read()
    assert 0 <= disk.used <= 1
    assert not disk.read_only


def fake_machine(root: Path) -> None:
    files = {
        "sys/devices/system/cpu/online": "0-3",
        "sys/devices/system/cpu/isolated": "2-3",
        "sys/devices/system/cpu/nohz_full": "3",
        "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor": "powersave",
        "sys/devices/system/cpu/cpu3/cpuidle/state0/latency": "0",
        "sys/devices/system/cpu/cpu3/cpuidle/state1/latency": "30",
        "sys/devices/system/cpu/cpu3/cpuidle/state2/latency": "400",
        "sys/devices/system/cpu/cpu3/cpuidle/state2/disable": "1",
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "4",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        "sys/kernel/realtime": "1",
        "proc/sys/kernel/sched_rt_runtime_us": "-1",
        "proc/sys/kernel/sched_rt_period_us": "1000000",
        "sys/kernel/debug/sched/fair_server/cpu2/runtime": "90000000",
        "sys/kernel/debug/sched/fair_server/cpu3/runtime": "50000000",
        f"proc/{os.getpid()}/task/{os.getpid()}/status": (
            "VmLck:\t 512 kB\nVmRSS:\t 900 kB\nCpus_allowed_list:\t3\n"
        ),
        "proc/7/status": "VmSize:\t 90512 kB\nVmLck:\t 90480 kB\nVmRSS:\t 900 kB\n",
    }
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")


def test_the_set_up_is_read_from_proc_and_sys(tmp_path: Path) -> None:
    fake_machine(tmp_path)
    source = SetupSource(lambda: (os.getpid(), os.getpid()), tmp_path, nonrt=lambda: 7)
    view = source.read()
    assert view.thread is not None
    assert (view.thread.cpus, view.thread.locked_kb, view.thread.resident_kb) == ((3,), 512, 900)
    assert view.nonrt_memory == MemoryLock("locked", 90480, 900, 90512)
    assert view.kernel_realtime
    assert (view.isolated, view.nohz_full) == ((2, 3), (3,))
    assert (view.governors, view.idle_latency_us) == ({3: "powersave"}, 30)
    assert (view.transparent_huge_pages, view.rt_runtime_us, view.dma_latency_us) == ("madvise", -1, None)
    assert (view.throttle_count, view.throttled_ns) == (4, 0)
    assert view.fair_server_us == 50_000
    (tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count").write_text("5\n")
    assert source.read().throttled_ns > 0


def test_this_machines_set_up_can_be_read() -> None:
    view = SetupSource(lambda: (os.getpid(), os.getpid())).read()
    assert view.thread is not None
    assert view.thread.resident_kb > 0
    assert SetupSource(lambda: (0, 0)).read().thread is None


def test_cpu_lists() -> None:
    assert cpu_list("0-2,5\n") == (0, 1, 2, 5)
    assert cpu_list("") == ()
    assert cpu_list("nonsense") == ()
