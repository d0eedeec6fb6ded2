"""Tells how long RT's housekeeping has been silent: AL states, diagnosis and recovery are as old as that."""

from __future__ import annotations

from fieldstack_rt.datastore.atomic_words import NO_MORE

AHEAD_NS = 1_000_000_000
"""So much newer than the look at it a beat may be."""
FIRST_PASS_NS = 32_000_000_000
"""So long after its start a process that cycles may be without a first pass: 20 s until it cycles
(`startup_grace_ms` of the policy), and 10 s for the slowest slave's way to OP."""


def silent_ns(now_ns: int, beat_ns: int, started_ns: int) -> int:
    """`beat_ns`: `rt_main_beat_ns`; `started_ns`: of the RT process. For a process that cycles; 0 while it
    comes up or goes down. A beat of the time to come is damage, and counts as
    none: a house that is kept mends it."""
    if beat_ns == NO_MORE:
        return 0
    if beat_ns == 0 or beat_ns - now_ns > AHEAD_NS:
        age_ns = now_ns - started_ns
        return age_ns if started_ns and age_ns > FIRST_PASS_NS else 0
    return max(0, now_ns - beat_ns)
