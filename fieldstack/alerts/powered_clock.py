"""A clock that counts while the machine is on, over all its runs, and that nobody can set.

`AlertService` and the queues on disk take the age of alerts from it.
"""

from __future__ import annotations

import time
from typing import Any


def boot_time_ns() -> int:
    """CLOCK_BOOTTIME: since the machine's start, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class PoweredClock:
    """`boot` is the id of the machine's run, of which `boot_ns` (CLOCK_BOOTTIME) is the time.

    Within a run it goes as CLOCK_BOOTTIME does. What earlier runs have counted is known from what was kept of
    them; time for which the machine was off does not count: only a clock that can be wrong knows it.
    """

    def __init__(self, boot: str, kept: dict[str, Any] | None = None) -> None:
        """Goes on from `kept`, which `to_dict` gave.

        Raises:
            KeyError, ValueError, TypeError: it is something else.
        """
        self._boot = boot
        self._before_ns = 0
        if kept is not None:
            on_ns, boot_ns = int(kept["on_ns"]), int(kept["boot_ns"])
            self._before_ns = on_ns - boot_ns if kept["boot"] == boot else on_ns

    def at(self, boot_ns: int) -> int:
        """Nanoseconds that it has counted."""
        return self._before_ns + boot_ns

    def to_dict(self, boot_ns: int) -> dict[str, Any]:
        return {"boot": self._boot, "boot_ns": boot_ns, "on_ns": self.at(boot_ns)}
