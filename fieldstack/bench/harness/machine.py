"""The machine that a benchmark runs on: what it is, and how much CPU time others took from it.

Every report names it; `bench cycle` attributes faults with it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
_STEAL_FIELD = 8
_IDLE_FIELD, _IOWAIT_FIELD = 4, 5


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """`preempt_rt`: the kernel has PREEMPT_RT. `isolated`: CPUs kept free of other tasks at boot."""

    cpu: str
    cpus: int
    hypervisor: str
    kernel: str
    preempt_rt: bool
    isolated: str
    clocksource: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        where = f", under {self.hypervisor}" if self.hypervisor else ""
        rt = "PREEMPT_RT" if self.preempt_rt else "no PREEMPT_RT"
        isolated = f"isolated CPUs: {self.isolated or 'none'}"
        return f"{self.cpu}, {self.cpus} CPUs{where}; Linux {self.kernel}, {rt}; {isolated}"


def facts() -> MachineFacts:
    """The machine as /proc and /sys show it; what they do not show is empty."""
    cpuinfo = dict(_pairs(_read("/proc/cpuinfo")))
    virtual = "hypervisor" in cpuinfo.get("flags", "").split()
    return MachineFacts(
        cpu=cpuinfo.get("model name", platform.machine()),
        cpus=len(os.sched_getaffinity(0)),
        hypervisor=_read("/sys/hypervisor/type") or ("a hypervisor" if virtual else ""),
        kernel=platform.release(),
        preempt_rt="PREEMPT_RT" in platform.version() or _read("/sys/kernel/realtime") == "1",
        isolated=_read("/sys/devices/system/cpu/isolated"),
        clocksource=_read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        if separator:
            yield key.strip(), value.strip()


def steal_us(stat: str | None = None) -> dict[int, int]:
    """For each CPU, the µs that the hypervisor took so far, from the text of /proc/stat (resolution: one
    tick)."""
    found: dict[int, int] = {}
    for line in (_read("/proc/stat") if stat is None else stat).splitlines():
        fields = line.split()
        if fields and fields[0].startswith("cpu") and fields[0] != "cpu" and len(fields) > _STEAL_FIELD:
            found[int(fields[0][3:])] = int(fields[_STEAL_FIELD]) * TICK_US
    return found


def idle_us(stat: str | None = None) -> dict[int, int]:
    """For each CPU, the µs that it was idle so far, from the text of /proc/stat (resolution: one tick)."""
    found: dict[int, int] = {}
    for line in (_read("/proc/stat") if stat is None else stat).splitlines():
        fields = line.split()
        if fields and fields[0].startswith("cpu") and fields[0] != "cpu" and len(fields) > _IOWAIT_FIELD:
            found[int(fields[0][3:])] = (int(fields[_IDLE_FIELD]) + int(fields[_IOWAIT_FIELD])) * TICK_US
    return found


def taken(before: dict[int, int], after: dict[int, int]) -> dict[int, int]:
    """For each CPU, the time taken between two readings, in the unit of the readings."""
    return {cpu: after[cpu] - before.get(cpu, 0) for cpu in sorted(after)}


@contextlib.contextmanager
def idle_shares() -> Iterator[dict[int, float]]:
    """How idle each CPU was while the block ran, as a share of the time; filled when the block ends."""
    found: dict[int, float] = {}
    before, begin_ns = idle_us(), time.monotonic_ns()
    yield found
    spent_us = (time.monotonic_ns() - begin_ns) / 1000
    found |= {cpu: round(min(1.0, us / spent_us), 3) for cpu, us in taken(before, idle_us()).items()}


@contextlib.contextmanager
def no_deep_idle(*, wanted: bool) -> Iterator[bool]:
    """Keeps all CPUs out of deep idle states for as long as the block runs, if that is wanted.

    Yields whether it is as wanted (pm_qos, /dev/cpu_dma_latency).
    """
    if not wanted:
        yield True
        return
    try:
        file = open("/dev/cpu_dma_latency", "wb", buffering=0)  # noqa: SIM115 - closed below
    except OSError:
        yield False
        return
    with file:
        file.write((0).to_bytes(4, "little"))
        yield True
