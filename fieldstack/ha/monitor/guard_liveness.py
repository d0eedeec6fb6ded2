"""Watches whether the guard itself still observes RT. Non-RT asks it after each pass.

Without the guard a hang of RT would be found by the policy's slower numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fieldstack_rt.datastore.layout import GuardState

STILL_NS = 500_000_000
"""A look takes a cycle, or a millisecond: so long without one is no busy machine."""
LOST_NS = 3_000_000_000
MIN_PASSES = 5
"""Passes that see it stand still, too: a stall of the whole machine is one."""


class GuardStillError(RuntimeError):
    """The guard is armed and does not look."""


class GuardLiveness:
    """One look at the guard's own status in each pass; `check` raises while an armed guard stands still.

    `lost` is called with why, once it has stood still for LOST_NS: only a new process gets a guard again, and
    no RT process could be started meanwhile.
    """

    def __init__(self, guard: Callable[[], Any], lost: Callable[[str], None]) -> None:
        self._guard, self._lost = guard, lost
        self._seen: tuple[int, ...] = ()
        self._since_ns = self._passes = 0

    def check(self, now_ns: int) -> None:
        """GuardStillError: nobody watches RT cycle by cycle."""
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
