"""Watches whether the guard itself still observes RT. Non-RT asks it after each pass.

Without the guard a hang of RT would be found by the policy's slower numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fieldstack_rt.datastore.layout import GuardState

STILL_NS = 500_000_000
"""The guard checks once a cycle, or a millisecond: even a busy machine does not delay it for this long."""
LOST_NS = 3_000_000_000
MIN_PASSES = 5
"""It must also be seen in this number of passes: a stall of the whole machine is only one."""


class GuardStillError(RuntimeError):
    """The guard is armed, but does not observe RT."""


class GuardLiveness:
    """Reads the guard's own status in each pass. `check` raises while an armed guard makes no progress.
    `lost` is called with the reason when this has lasted for LOST_NS: only a new process gets a guard
    again, and until then no RT process could be started."""

    def __init__(self, guard: Callable[[], Any], lost: Callable[[str], None]) -> None:
        self._guard, self._lost = guard, lost
        self._seen: tuple[int, ...] = ()
        self._since_ns = self._passes = 0

    def check(self, now_ns: int) -> None:
        """Raises GuardStillError: nobody watches RT cycle by cycle."""
        status = self._guard()
        seen = (int(status.state), int(status.observations), int(status.armed_epoch))
        if seen != self._seen or seen[0] != GuardState.ARMED:
            self._seen, self._since_ns, self._passes = seen, now_ns, 0
        self._passes += 1
        still_ns = now_ns - self._since_ns
        if still_ns < STILL_NS or self._passes <= MIN_PASSES:
            return
        why = f"the guard's thread has not looked at RT for {still_ns // 1_000_000} ms"
        if still_ns >= LOST_NS:
            self._lost(why)
        raise GuardStillError(f"{why}: a hang of RT would be found later")
