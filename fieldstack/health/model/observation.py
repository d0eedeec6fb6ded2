"""What the health server has observed: the last sample of each source, with its age.

Sources observe in threads of their own. Checks, metrics and routes take the last observation as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fieldstack.host.memory_lock import MemoryLock
from fieldstack.status.snapshot import Snapshot
from fieldstack_base.units import NS_PER_S
from fieldstack_rt.datastore import DataStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample(Generic[T]):
    """The last look of one source: a value or an error, and when it was taken (CLOCK_MONOTONIC; 0: never)."""

    source: str
    stale_ns: int
    value: T | None = None
    error: str = ""
    taken_ns: int = 0

    def age_s(self, now_ns: int) -> float | None:
        return round(max(0, now_ns - self.taken_ns) / NS_PER_S, 3) if self.taken_ns else None

    def trouble(self, now_ns: int) -> str:
        """Why this sample tells nothing of the present; empty: it does."""
        if not self.taken_ns:
            return f"{self.source}: not looked at yet"
        if now_ns - self.taken_ns > self.stale_ns:
            age_s = (now_ns - self.taken_ns) / NS_PER_S
            return f"{self.source}: the last look is {age_s:.1f} s old, the next one hangs"
        return self.error


@dataclass(frozen=True, slots=True)
class MemoryView:
    """The shared memory: a snapshot of the cell, and what the snapshot leaves out.

    `torn`: records whose writer stopped inside a write; `damage`: what else cannot be right. `store` is
    attached read-only; None: there is no shared memory.
    """

    snapshot: Snapshot
    store: DataStore | None
    torn: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()
    rt_beat: int = 0
    rt_tid: int = 0
    epochs: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DiskView:
    """A folder's file system: used shares (0 to 1) of bytes and inodes as an unprivileged writer has them."""

    name: str
    path: str
    used: float
    free_bytes: int
    inodes_used: float
    read_only: bool


@dataclass(frozen=True, slots=True)
class ClockView:
    """The wall clock against CLOCK_MONOTONIC. `synchronized` None: the kernel does not tell."""

    jumps: int
    last_jump_s: float
    last_jump_ns: int
    suspends: int
    synchronized: bool | None
    max_error_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class CycleThread:
    """RT's cycle thread as the kernel runs it. `policy` is a name such as SCHED_FIFO."""

    tid: int
    policy: str
    priority: int
    cpus: tuple[int, ...]
    locked_kb: int
    resident_kb: int


@dataclass(frozen=True, slots=True)
class SetupView:
    """How the machine is set up for real-time work. None: not known here."""

    thread: CycleThread | None
    kernel_realtime: bool
    isolated: tuple[int, ...]
    nohz_full: tuple[int, ...]
    transparent_huge_pages: str | None
    governors: dict[int, str]
    idle_latency_us: int | None
    """Exit latency of the deepest enabled idle state of the cycle's CPU."""
    dma_latency_us: int | None
    """What /dev/cpu_dma_latency limits that to."""
    rt_runtime_us: int | None
    rt_period_us: int | None
    fair_server_us: int | None
    """What ordinary tasks may take of each second of the cycle's CPU from real-time ones (Linux 6.12 on)."""
    throttle_count: int | None
    throttled_ns: int = 0
    """When `throttle_count` last grew."""
    nonrt_memory: MemoryLock | None = None
    """Of the Non-RT process, whose guard must not wait for a page."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything at one moment."""

    memory: Sample[MemoryView]
    control: Sample[dict[str, Any]]
    """Non-RT's answer to `status`."""
    disk: Sample[tuple[DiskView, ...]]
    clock: Sample[ClockView]
    setup: Sample[SetupView]
