"""Checks whether a policy keeps its targets in a cell that is slower than the policy assumes.

Used when a cell's configuration or a policy is checked, and when a policy is loaded.
"""

from __future__ import annotations

from fieldstack.ha.policy.in_force.errors import PolicyError, Problem
from fieldstack.ha.policy.validation.agent_checks import agent_faults
from fieldstack.ha.policy.validation.schema import FailoverPolicy
from fieldstack.ha.policy.validation.timing import in_cell, worst_cases


def require_targets(
    policy: FailoverPolicy,
    file: str,
    *,
    cycle_us: int = 0,
    supervision_interval_ms: int = 0,
    stop_ms: int = 0,
) -> None:
    """0: as the policy says.

    Raises:
        PolicyError: with these times the worst case of a rule exceeds its target, or a Non-RT process that
            works well would look slow or silent.
    """
    slower = in_cell(
        policy, cycle_us=cycle_us, supervision_interval_ms=supervision_interval_ms, stop_ms=stop_ms
    )
    timing = slower.timing
    in_this = (
        f"in this cell (cycle {timing.cycle_us} µs, supervision every {timing.supervision_interval_ms} ms, "
        f"stops within {timing.stop_ms} ms)"
    )
    agent = tuple(
        Problem(f"rt_agent.{one.key}", str(one.value), f"{one.why} {in_this}", one.remedy)
        for one in agent_faults(slower)
    )
    problems = agent + tuple(
        Problem(
            f"rules[{place}].target_ms",
            str(case.target),
            f"the worst case of {case.rule} is {case.confirmed:g} ms {in_this}",
            "state a longer target, or make the cell quicker",
        )
        for place, case in enumerate(worst_cases(slower))
        if case.exceeds
    )
    if problems:
        raise PolicyError(file, problems)
