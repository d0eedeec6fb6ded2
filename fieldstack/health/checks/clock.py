"""Checks that the wall clock does not jump, and that something keeps it right. `/healthz` asks it."""

from __future__ import annotations

from fieldstack.health.checks.base import SampleCheck
from fieldstack.health.model.observation import ClockView
from fieldstack.health.model.result import Finding, Level
from fieldstack_base.units import NS_PER_S

JUMP_REMEMBERED_NS = 3600 * NS_PER_S
EARLIEST_S = 1_700_000_000
"""A wall clock before November 2023 was never set."""


class ClockCheck(SampleCheck):
    """Only wall-clock stamps in logs depend on it: all intervals are measured by CLOCK_MONOTONIC."""

    name = "clock"
    source = "clock"

    def evaluate(self, value: ClockView, now_ns: int) -> Finding:
        data = {"jumps": value.jumps, "synchronized": value.synchronized, "max_error_s": value.max_error_s}
        wrong = list[str]()
        if value.last_jump_ns and now_ns - value.last_jump_ns < JUMP_REMEMBERED_NS:
            ago_s = (now_ns - value.last_jump_ns) / NS_PER_S
            wrong.append(f"the wall clock jumped by {value.last_jump_s:+.3f} s {ago_s:.0f} s ago")
        if value.wall_s < EARLIEST_S:
            wrong.append("the wall clock was never set")
        if value.synchronized is False:
            wrong.append("the kernel's clock is not synchronized")
        if wrong:
            remedy = "run an NTP client, for example chrony; times in logs may be wrong"
            return Finding(Level.WARN, "; ".join(wrong), remedy, data)
        state = "synchronized" if value.synchronized else "synchronization not known"
        return Finding(Level.PASS, f"no jump in the last hour; {state}", "", data)
