"""Says how long RT's housekeeping has been silent: AL states, diagnosis and recovery are as old as that.

Non-RT's probe of housekeeping and `fieldstack status` use it.
"""

from __future__ import annotations

from fieldstack_rt.datastore.atomic_words import NO_MORE

AHEAD_NS = 1_000_000_000
"""A beat may be newer than this reading by this much."""
FIRST_PASS_NS = 32_000_000_000
"""A cycling process may be without a first pass for this long after its start: 20 s until it cycles
(`startup_grace_ms` of the policy), and 10 s for the slowest slave's way to OP."""


def silent_ns(now_ns: int, beat_ns: int, started_ns: int) -> int:
    """`beat_ns`: `rt_main_beat_ns`; `started_ns`: start of the RT process. The result is for a process that
    cycles, and 0 while it starts or ends. A beat in the future is damage and counts as none; the next
    housekeeping pass repairs it."""
    if beat_ns == NO_MORE:
        return 0
    if beat_ns == 0 or beat_ns - now_ns > AHEAD_NS:
        age_ns = now_ns - started_ns
        return age_ns if started_ns and age_ns > FIRST_PASS_NS else 0
    return max(0, now_ns - beat_ns)
