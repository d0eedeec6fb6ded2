"""The restart budgets of a policy, for display: what each allows, and which failures use it up.

Used by `fieldstack policy check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fieldstack.ha.policy.validation.budget_coverage import coverage

if TYPE_CHECKING:
    from fieldstack.ha.policy.validation.processes import RestartBudget
    from fieldstack.ha.policy.validation.schema import FailoverPolicy


def budget_rows(policy: FailoverPolicy) -> list[dict[str, Any]]:
    """`caught_within_s`: what fails within this time after each restart uses up a budget."""
    named: list[tuple[str, RestartBudget]] = [(one.process_name.value, one) for one in policy.processes]
    named += [(one.subject, one) for one in policy.all_budgets]
    return [
        {
            "subject": subject,
            "max_restart_count": one.max_restart_count,
            "restart_window_sec": one.restart_window_sec,
            "long_max_restart_count": one.long_count,
            "long_restart_window_sec": one.long_window_ns / 1e9,
            "caught_within_s": round(coverage(one).well_s, 3),
        }
        for subject, one in named
    ]
