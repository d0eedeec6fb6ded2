"""The one rule by which a process counts as silent.

ProcessMonitor applies it to what it observes, status and health to shared memory, and Non-RT to its modules.
The numbers for RT, Core and Non-RT are the policy's (`liveness_in_force`).
"""

from __future__ import annotations

from dataclasses import dataclass

from fieldstack.ha.policy.in_force.view import Watching
from fieldstack_base.units import NS_PER_MS


@dataclass(frozen=True, slots=True)
class LivenessRule:
    """A process is silent once it made no progress for `timeout_ns` and missed `failure_threshold` looks.

    A look counts as a miss `interval_ns` after the last one. Who looks all the time counts the misses and
    does not compute them: a stall of the whole machine is one miss, however long.
    `grace_ns`: for a start, or an end.
    """

    timeout_ns: int
    interval_ns: int
    failure_threshold: int
    grace_ns: int

    @classmethod
    def of(cls, section: Watching) -> LivenessRule:
        """The rule as the policy gives it for a process."""
        return cls(
            section.health_check_timeout_ms * NS_PER_MS,
            section.health_check_interval_ms * NS_PER_MS,
            section.failure_threshold,
            section.startup_grace_ns,
        )

    @classmethod
    def by_time(cls, timeout_ns: int, grace_ns: int) -> LivenessRule:
        """Judges by time alone: the first miss counts."""
        return cls(timeout_ns, timeout_ns, 1, grace_ns)

    def misses_in(self, still_ns: int) -> int:
        """How many misses an observer at every interval counts after this time without progress."""
        return still_ns // self.interval_ns

    def silent(self, still_ns: int, misses: int | None = None) -> bool:
        """`misses` None: judge from a single reading, which knows when the last progress was."""
        counted = self.misses_in(still_ns) if misses is None else misses
        return still_ns >= self.timeout_ns and counted >= self.failure_threshold

    def overdue(self, since_ns: int) -> bool:
        """Whether a start, or an end, that began at `since_ns` takes too long."""
        return since_ns > self.grace_ns
