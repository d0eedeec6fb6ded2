"""The health server's beat: a small file that it writes after each request that it answered completely.

Its only page exists from the start, so a full disk does not stop the beat. Reading it is one system call on a
file of the runtime folder. The module `health` of Non-RT watches it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from fieldstack.ha.monitor.liveness import LivenessRule
from fieldstack_base.instance import Instance
from fieldstack_base.units import NS_PER_S
from fieldstack_rt.sd_notify import notifier

INTERVAL_NS = 500_000_000
"""The time between two beats of a server that is well."""
LIVENESS = LivenessRule.by_time(timeout_ns=4 * NS_PER_S, grace_ns=15 * NS_PER_S)
"""A server without a beat for this long hangs: it is killed and started again. The grace time, from its start
to its first beat, allows for a busy machine."""
_WIDTH = 40


def beat_file(instance: Instance) -> Path:
    return instance.runtime_dir / "health.beat"


@dataclass(frozen=True, slots=True)
class Beat:
    """Which process beats, how many beats it has written, and when it wrote the last one (CLOCK_MONOTONIC
    ns)."""

    pid: int
    count: int
    at_ns: int


class BeatWriter:
    """The beats of one server. `write` never raises: a beat that cannot be written is missed, as it should
    be."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._count = 0
        self._put(0)

    def write(self, now_ns: int) -> None:
        self._count += 1
        self._put(now_ns)
        notifier().progress(now_ns, "answers")

    def _put(self, at_ns: int) -> None:
        line = f"{os.getpid()} {self._count} {at_ns}".ljust(_WIDTH) + "\n"
        with contextlib.suppress(OSError):
            os.pwrite(self._file, line.encode(), 0)

    def close(self) -> None:
        os.close(self._file)


def read_beat(path: Path) -> Beat | None:
    """The last beat; None: there is no file, or it is not a beat. `at_ns` 0: no beat yet."""
    try:
        words = path.read_bytes().split()
        return Beat(int(words[0]), int(words[1]), int(words[2]))
    except (OSError, ValueError, IndexError):
        return None
