"""Reads the wall clock beside CLOCK_MONOTONIC. The clock's check and metrics use it.

It notices steps that somebody made, and says whether NTP keeps the clock (adjtimex(2)).
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass

from fieldstack.health.model.observation import ClockView
from fieldstack_base.units import NS_PER_S

JUMP_NS = NS_PER_S // 2
"""A slewed clock gains at most 0.5 ms a second; what moves by this between two looks was set."""
_STA_UNSYNC = 0x0040
_TIMEX_BYTES = 512


class _Timex(ctypes.Structure):
    """The beginning of the kernel's struct timex."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * _TIMEX_BYTES),
    )


@dataclass(slots=True)
class ClockWatch:
    """Counts steps of the wall clock. Time spent asleep (boot clock against monotonic) is no step."""

    jumps: int = 0
    last_jump_s: float = 0.0
    last_jump_ns: int = 0
    suspends: int = 0
    _offsets: tuple[int, int] | None = None

    def note(self, mono_ns: int, wall_ns: int, boot_ns: int) -> None:
        """One reading of the three clocks at one moment."""
        offset, slept = wall_ns - boot_ns, boot_ns - mono_ns
        if self._offsets is not None:
            moved = offset - self._offsets[0]
            if abs(moved) >= JUMP_NS:
                self.jumps += 1
                self.last_jump_s, self.last_jump_ns = moved / NS_PER_S, mono_ns
            self.suspends += slept - self._offsets[1] >= JUMP_NS
        self._offsets = offset, slept


def read_clocks() -> tuple[int, int, int]:
    """Monotonic, wall and boot clock in ns, of one moment (tried again if we were held up in between)."""
    for _ in range(5):
        mono_ns = time.monotonic_ns()
        wall_ns, boot_ns = time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if time.monotonic_ns() - mono_ns < NS_PER_S // 100:
            break
    return mono_ns, wall_ns, boot_ns


def kernel_sync() -> tuple[bool | None, float]:
    """Whether the kernel's clock is synchronized (None: not known), and its maximum error in seconds."""
    timex = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        return None, 0.0
    return not timex.status & _STA_UNSYNC, timex.maxerror / 1e6


class ClockSource:
    def __init__(self) -> None:
        self._watch = ClockWatch()

    def read(self) -> ClockView:
        mono_ns, wall_ns, boot_ns = read_clocks()
        self._watch.note(mono_ns, wall_ns, boot_ns)
        synchronized, error_s = kernel_sync()
        watch = self._watch
        return ClockView(
            watch.jumps,
            watch.last_jump_s,
            watch.last_jump_ns,
            watch.suspends,
            synchronized,
            error_s,
            wall_ns / NS_PER_S,
        )
