"""The Linux capabilities of this process: what it really may do, whatever its user id is.

`fieldstack up`, `bus` and `prepare` ask it before they do what needs rights.
"""

from __future__ import annotations

import resource
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

from fieldstack.host.scheduling import may_use_fifo
from fieldstack_base.proc.status import effective_capabilities, parse_status, read_status

MEMORY_TO_LOCK = 256 * 1024 * 1024


class Capability(IntEnum):
    """Bits of capability sets (linux/capability.h)."""

    NET_ADMIN = 12
    NET_RAW = 13
    IPC_LOCK = 14
    SYS_NICE = 23


BUS = (Capability.NET_ADMIN, Capability.NET_RAW)
"""The capabilities needed for a virtual cable and for frames on a wire."""


def effective(status: str | None = None) -> frozenset[Capability]:
    """The effective set, from the text of /proc/self/status (read if not given)."""
    fields = read_status(Path("/proc/self")) if status is None else parse_status(status)
    bits = effective_capabilities(fields)
    return frozenset(one for one in Capability if bits >> one & 1)


def missing(wanted: Iterable[Capability]) -> tuple[Capability, ...]:
    """Those of `wanted` that this process does not have."""
    held = effective()
    return tuple(one for one in wanted if one not in held)


def degradations(*, in_namespace: bool) -> tuple[str, ...]:
    """The parts of the real-time set-up that this process cannot have, in words; empty: it can have all."""
    found: list[str] = []
    if not may_use_fifo():
        found.append(
            "no real-time priority: cycles are late when the machine is busy, and a hang counts as one "
            "only after more cycles (run as root, or raise the limit: `ulimit -r 90`)"
        )
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    limited = in_namespace or Capability.IPC_LOCK not in effective()
    if limited and soft != resource.RLIM_INFINITY and soft < MEMORY_TO_LOCK:
        found.append(
            f"memory cannot be locked (limit {soft // 1024} KiB): a page fault may delay a cycle, "
            "or the guard's safe outputs "
            "(run as root, or raise the limit: `ulimit -l unlimited`)"
        )
    return tuple(found)
