"""The handle of the native guard (native/guard.c). The Non-RT process arms it, and reads what it did.

What it may do and when: docs/decisions/0002-the-bus-belongs-to-who-holds-the-mutex.md, and
docs/decisions/0022-a-fence-is-the-end-of-a-process.md.
"""

from __future__ import annotations

import atexit
import os
import time
from dataclasses import dataclass
from typing import Any

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.store import DataStore

_REST_S = 0.0002


class GuardError(OSError):
    """The guard's thread could not be started."""


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """Where the guard runs, and its limits.

    `threshold_cycles`: after this many observations without progress, RT counts as silent; each observation
    is at least one bus cycle long. `fence_timeout_ms`: how long a killed RT process may take to end; after
    that it is reported. `end_timeout_ms`: how long an orderly end may take; after that it is a failure.
    `priority`: of SCHED_FIFO, below RT's; 0 leaves the default scheduler. `cpu`: -1 is any.
    """

    cpu: int = 0
    priority: int = 70
    threshold_cycles: int = 5
    fence_timeout_ms: int = 100
    end_timeout_ms: int = 10_000


class Guard:
    """A running guard thread: by itself it watches, fences, makes the outputs safe, and releases the bus."""

    def __init__(self, store: DataStore, config: GuardConfig) -> None:
        self._store, self._config = store, config
        self._guard: Any = ffi.NULL

    def start(self) -> Guard:
        """Starts the thread. GuardError if the system refuses it."""
        out = ffi.new("fs_guard **")
        config = self._config
        native = ffi.new(
            "fs_guard_config *",
            (
                config.cpu,
                config.priority,
                config.threshold_cycles,
                config.fence_timeout_ms,
                config.end_timeout_ms,
            ),
        )
        if error := lib.fs_guard_start(self._store.raw, native, out):
            raise GuardError(error, f"the guard thread did not start: {os.strerror(error)}")
        self._guard = out[0]
        atexit.register(self.stop)  # else the interpreter's end would unmap the memory under the thread
        return self

    def fileno(self) -> int:
        """An eventfd, readable after a trip, the confirmation of safe outputs, the release of the bus."""
        return int(lib.fs_guard_fd(self._guard))

    def status(self) -> Any:
        """`fs_guard_status` as the thread has it itself, whatever stands in the shared memory."""
        if self._guard == ffi.NULL:
            return self._store.guard_status()
        found = ffi.new("fs_guard_status *")
        while lib.fs_guard_read(self._guard, found):
            time.sleep(_REST_S)  # the thread was held up while it wrote; it has no other reason
        return found

    @property
    def degraded(self) -> tuple[str, ...]:
        """The parts of its real-time set-up that the system refused, in words."""
        bits = int(lib.fs_guard_degraded(self._guard))
        words = (
            (lib.FS_DEGRADED_SCHEDULER, "guard: no SCHED_FIFO"),
            (lib.FS_DEGRADED_AFFINITY, "guard: not pinned"),
        )
        return tuple(word for bit, word in words if bits & bit)

    def demand_trip(self) -> None:
        """Fences a living RT process and makes the outputs safe, at the guard's next observation."""
        lib.fs_guard_demand_trip(self._guard)

    def stop(self) -> None:
        atexit.unregister(self.stop)
        if self._guard != ffi.NULL:
            lib.fs_guard_stop(self._guard)
            self._guard = ffi.NULL
