"""Checks that failures of every pace use up one of the two restart budgets, if slower ones do.

Assume that a subject fails w after each restart, that n restarts are allowed in a window W, and that delays
are at most d. When it fails, its n-th newest restart was at most w + (n - 1)(w + d) ago. So it uses up this
budget whenever that is less than W. If w is longer than the quick window, each restart is the first of its
window again, and d is `restart_delay_ms`. If a gap remains, paces are simulated. Used by `checks`;
`fieldstack policy check` shows it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from fieldstack.ha.policy.in_force.restart_budget import delay_of_ns
from fieldstack.ha.policy.in_force.view import Budget
from fieldstack_base.units import NS_PER_MS, NS_PER_S

SAMPLES = 80
MAX_BREAKS = 20


@dataclass(frozen=True, slots=True)
class BudgetCoverage:
    """`well_ns`: what fails within this time after each of its restarts uses up a budget; rarer failures
    never do. `uncaught_from_ns`: a shorter time that uses up none (0: at once); None: there is none."""

    well_ns: int
    uncaught_from_ns: int | None = None

    @property
    def well_s(self) -> float:
        return self.well_ns / NS_PER_S


def coverage(budget: Budget) -> BudgetCoverage:
    if not budget.max_restart_count:
        return BudgetCoverage(budget.long_window_ns)
    first_ns, longest_ns = budget.restart_delay_ms * NS_PER_MS, _longest_delay_ns(budget)
    end_ns = _end_ns(budget.long_count, budget.long_window_ns, first_ns)
    if longest_ns == first_ns:  # always the same: each budget covers all paces up to its end
        return BudgetCoverage(max(end_ns, _end_ns(budget.max_restart_count, budget.window_ns, first_ns)))
    if _end_ns(budget.long_count, budget.long_window_ns, longest_ns) >= budget.window_ns:
        return BudgetCoverage(end_ns)
    return _played(budget)


def _end_ns(count: int, window_ns: int, wait_ns: int) -> int:
    return (window_ns - (count - 1) * wait_ns) // count


def _longest_delay_ns(budget: Budget) -> int:
    return max(budget.restart_delay_ms, budget.restart_backoff_max_ms) * NS_PER_MS


def _played(budget: Budget) -> BudgetCoverage:
    found = [(well_ns, spends(budget, well_ns)) for well_ns in sorted(set(_samples(budget)))]
    last = max((well_ns for well_ns, caught in found if caught), default=0)
    escapes = next((well_ns for well_ns, caught in found if not caught and well_ns <= last), None)
    return BudgetCoverage(last, escapes)


def spends(budget: Budget, well_ns: int) -> bool:
    """Whether failures this long after each restart use up a budget."""
    now_ns, quick, slow = 0, deque[int](), deque[int]()
    for _ in range(budget.long_count + budget.max_restart_count + 2):
        now_ns += well_ns
        _forget(quick, now_ns - budget.window_ns)
        _forget(slow, now_ns - budget.long_window_ns)
        if len(quick) >= budget.max_restart_count or len(slow) >= budget.long_count:
            return True
        now_ns += delay_of_ns(len(quick), budget)
        quick.append(now_ns)
        slow.append(now_ns)
    return False


def _forget(restarts: deque[int], until_ns: int) -> None:
    while restarts and restarts[0] <= until_ns:
        restarts.popleft()


def _samples(budget: Budget) -> Iterator[int]:
    """Evenly in proportion, and on both sides of where the number within the quick window changes."""
    yield 0
    top = budget.long_window_ns
    yield from (round(top ** (place / SAMPLES)) for place in range(SAMPLES // 2, SAMPLES + 1))
    for count in range(1, min(budget.max_restart_count, MAX_BREAKS) + 1):
        yield from (budget.window_ns // count + shift for shift in (-NS_PER_MS, 0, NS_PER_MS))
