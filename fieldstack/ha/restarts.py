"""Restart budget and backoff of one subject: pure arithmetic on a history of restart times."""

from __future__ import annotations

from fieldstack.ha.policy.units import NS_PER_MS
from fieldstack.ha.policy.view import Budget


def in_window(history: tuple[int, ...], now_ns: int, budget: Budget) -> tuple[int, ...]:
    """The restarts that still count at `now_ns`."""
    return tuple(at for at in history if now_ns - at < budget.window_ns)


def spent(history: tuple[int, ...], now_ns: int, budget: Budget) -> bool:
    """Whether one more restart would exceed the budget."""
    return len(in_window(history, now_ns, budget)) >= budget.max_restart_count


def delay_ns(history: tuple[int, ...], now_ns: int, budget: Budget) -> int:
    """How long to wait before the next restart: `restart_delay_ms` for the first in the window, then
    the backoff, which grows by its factor up to its bound (never less than `restart_delay_ms`)."""
    count = len(in_window(history, now_ns, budget))
    if count == 0:
        return budget.restart_delay_ms * NS_PER_MS
    grown = budget.restart_backoff_initial_ms * budget.restart_backoff_factor ** min(count - 1, 64)
    return round(max(budget.restart_delay_ms, min(grown, budget.restart_backoff_max_ms)) * NS_PER_MS)
