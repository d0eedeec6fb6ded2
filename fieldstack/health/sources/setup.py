"""Reads the machine's real-time set-up from /proc and /sys. The real-time checks judge it."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

from fieldstack.health.model.observation import CycleThread, SetupView
from fieldstack.host.memory_lock import memory_lock
from fieldstack_base.proc.status import parse_status

_POLICIES = {
    os.SCHED_OTHER: "SCHED_OTHER",
    os.SCHED_FIFO: "SCHED_FIFO",
    os.SCHED_RR: "SCHED_RR",
    os.SCHED_BATCH: "SCHED_BATCH",
    os.SCHED_IDLE: "SCHED_IDLE",
}


class SetupSource:
    """`cycle` tells RT's pid and its cycle thread's id, `nonrt` that one's pid (0: none); `root` is where
    /proc and /sys are."""

    def __init__(
        self,
        cycle: Callable[[], tuple[int, int]],
        root: Path = Path("/"),
        nonrt: Callable[[], int] = lambda: 0,
    ) -> None:
        self._cycle, self._nonrt = cycle, nonrt
        self._proc, self._sys = root / "proc", root / "sys"
        self._dma_latency = root / "dev/cpu_dma_latency"
        self._throttled = (0, 0)
        self._counted = False

    def read(self) -> SetupView:
        thread = self._thread(*self._cycle())
        cpus = self._sys / "devices/system/cpu"
        mine = thread.cpus if thread and len(thread.cpus) == 1 else self._online(cpus)
        throttles = self._throttles(cpus)
        return SetupView(
            thread=thread,
            kernel_realtime=_text(self._sys / "kernel/realtime") == "1",
            isolated=cpu_list(_text(cpus / "isolated")),
            nohz_full=cpu_list(_text(cpus / "nohz_full")),
            transparent_huge_pages=_chosen(_text(self._sys / "kernel/mm/transparent_hugepage/enabled")),
            governors={
                cpu: name for cpu in mine if (name := _text(cpus / f"cpu{cpu}/cpufreq/scaling_governor"))
            },
            idle_latency_us=max((_idle_latency(cpus / f"cpu{cpu}/cpuidle") for cpu in mine), default=0)
            or None,
            dma_latency_us=self._dma_limit(),
            rt_runtime_us=_number(self._proc / "sys/kernel/sched_rt_runtime_us"),
            rt_period_us=_number(self._proc / "sys/kernel/sched_rt_period_us"),
            fair_server_us=self._fair_server(mine),
            throttle_count=throttles,
            throttled_ns=self._throttled[1],
            nonrt_memory=memory_lock(self._nonrt(), self._proc),
        )

    def _fair_server(self, cpus: tuple[int, ...]) -> int | None:
        """Only where debugfs is there and this process may read it."""
        folder = self._sys / "kernel/debug/sched/fair_server"
        found = [runtime for cpu in cpus if (runtime := _number(folder / f"cpu{cpu}/runtime")) is not None]
        return max(found) // 1000 if found else None

    def _online(self, cpus: Path) -> tuple[int, ...]:
        return cpu_list(_text(cpus / "online"))

    def _thread(self, pid: int, tid: int) -> CycleThread | None:
        status = parse_status(_text(self._proc / f"{pid}/task/{tid}/status")) if pid and tid else {}
        if not status:
            return None
        try:
            policy, priority = os.sched_getscheduler(tid), os.sched_getparam(tid).sched_priority
        except OSError:
            return None
        return CycleThread(
            tid,
            _POLICIES.get(policy & ~os.SCHED_RESET_ON_FORK, str(policy)),
            priority,
            cpu_list(status.get("Cpus_allowed_list", "")),
            _kilobytes(status.get("VmLck", "")),
            _kilobytes(status.get("VmRSS", "")),
        )

    def _throttles(self, cpus: Path) -> int | None:
        counts = [_number(file) for file in cpus.glob("cpu[0-9]*/thermal_throttle/core_throttle_count")]
        if not counts:
            return None
        total = sum(count or 0 for count in counts)
        before, since_ns = self._throttled
        self._throttled = (total, time.monotonic_ns() if self._counted and total > before else since_ns)
        self._counted = True
        return total

    def _dma_limit(self) -> int | None:
        try:
            return int(struct.unpack("i", self._dma_latency.read_bytes()[:4])[0])
        except (OSError, struct.error):
            return None


def cpu_list(text: str) -> tuple[int, ...]:
    """The kernel's list format (`0-2,5`) as numbers; what is no list is empty."""
    found = list[int]()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            return ()
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None


def _chosen(text: str) -> str | None:
    """The word in brackets of `always [madvise] never`."""
    return text.partition("[")[2].partition("]")[0] or None


def _kilobytes(text: str) -> int:
    first = text.split()[:1]
    return int(first[0]) if first and first[0].isdigit() else 0


def _idle_latency(folder: Path) -> int:
    """Exit latency in us of the deepest state that is not disabled; 0: none is known."""
    return max(
        (
            _number(state / "latency") or 0
            for state in folder.glob("state[0-9]*")
            if _text(state / "disable") != "1"
        ),
        default=0,
    )
