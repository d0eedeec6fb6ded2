"""Restart budgets and backoff of one subject: arithmetic on a history of restart times. Pure.

Two budgets apply at the same time: the quick one for what fails repeatedly within minutes, the long one for
what fails more slowly than the quick one can see. The decision core counts restarts with it, the checks of a
policy compute delays, and status shows counts.
"""

from __future__ import annotations

from fieldstack.ha.policy.in_force.view import Budget
from fieldstack_base.units import NS_PER_MS, NS_PER_S


def in_window(history: tuple[int, ...], now_ns: int, budget: Budget) -> tuple[int, ...]:
    """The restarts that still count at `now_ns`."""
    return tuple(at for at in history if now_ns - at < budget.window_ns)


def in_long_window(history: tuple[int, ...], now_ns: int, budget: Budget) -> tuple[int, ...]:
    """Those that count for the long budget."""
    return tuple(at for at in history if now_ns - at < budget.long_window_ns)


def to_keep(history: tuple[int, ...], now_ns: int, budget: Budget) -> tuple[int, ...]:
    """The restarts that any decision can still depend on: bounded in number by the larger budget."""
    most = max(budget.max_restart_count, budget.long_count)
    return in_long_window(history, now_ns, budget)[-most:]


def spent(history: tuple[int, ...], now_ns: int, budget: Budget) -> str:
    """Which budget one more restart would exceed, for people; empty: none."""
    quick, slow = in_window(history, now_ns, budget), in_long_window(history, now_ns, budget)
    if len(quick) >= budget.max_restart_count:
        allowed, window_sec, count = budget.max_restart_count, budget.restart_window_sec, len(quick)
    elif len(slow) >= budget.long_count:
        allowed, window_sec, count = budget.long_count, budget.long_window_ns / NS_PER_S, len(slow)
    else:
        return ""
    return f"{count} times within {window_sec:g} s (allowed: {allowed})"


def delay_ns(history: tuple[int, ...], now_ns: int, budget: Budget) -> int:
    """How long to wait before the next restart: `restart_delay_ms` for the first in the window, then
    the backoff, which grows by its factor up to its bound (never less than `restart_delay_ms`). It is the
    first again only when none was restarted for a whole window."""
    return delay_of_ns(len(in_window(history, now_ns, budget)), budget)


def delay_of_ns(count: int, budget: Budget) -> int:
    """The same, with so many restarts in the window."""
    if count == 0:
        return budget.restart_delay_ms * NS_PER_MS
    grown = budget.restart_backoff_initial_ms * budget.restart_backoff_factor ** min(count - 1, 64)
    return round(max(budget.restart_delay_ms, min(grown, budget.restart_backoff_max_ms)) * NS_PER_MS)
