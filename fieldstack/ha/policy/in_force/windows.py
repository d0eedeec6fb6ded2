"""The windows of a rule: the mean, or a counter's growth, over a time in milliseconds. Pure arithmetic.

A window is kept as one sample for each bucket, so its cost does not grow with the rate of readings. It begins
up to one bucket earlier than it should (or one reading, if they are rarer). Used by `decision.active_rules`.
"""

from __future__ import annotations

from fieldstack.ha.model.measures import Comparison
from fieldstack.ha.policy.in_force.table import RuleRow

BUCKETS = 16
Samples = tuple[tuple[int, float], ...]


def windowed_value(row: RuleRow, samples: Samples, now_ns: int, value: float) -> tuple[Samples, float | None]:
    """The samples to keep, and the value to compare with the threshold; None: the window is not full yet.

    A counter that has fallen was reset (its process was started again): it grew from 0.
    """
    if row.window_ns == 0:
        return (), value
    if row.over is Comparison.GROWN:
        return _growth(row.window_ns, samples, now_ns, value)
    return _mean(row.window_ns, samples, now_ns, value)


def _growth(window_ns: int, samples: Samples, now_ns: int, value: float) -> tuple[Samples, float]:
    """After two windows without a reading nobody knows when it grew: it is counted again."""
    if samples and (value < samples[-1][1] or now_ns - samples[-1][0] > 2 * window_ns):
        samples = ((now_ns, 0.0 if value < samples[-1][1] else value),)
    kept = _kept(window_ns, samples, now_ns, value)
    return kept, value - kept[0][1]


def _mean(window_ns: int, samples: Samples, now_ns: int, value: float) -> tuple[Samples, float | None]:
    kept = _kept(window_ns, samples, now_ns, value)
    if now_ns - kept[0][0] < window_ns:
        return kept, None
    total, count = sum([one for _, one in kept]), len(kept)
    if kept[-1][0] != now_ns:
        total, count = total + value, count + 1
    return kept, total / count


def _kept(window_ns: int, samples: Samples, now_ns: int, value: float) -> Samples:
    """One sample a bucket, from the newest that is as old as the window: readings may be rarer than it."""
    if not samples:
        return ((now_ns, value),)
    begin_ns = now_ns - window_ns
    first = 0
    while first + 1 < len(samples) and samples[first + 1][0] <= begin_ns:
        first += 1
    inside = samples[first:] if first else samples
    if now_ns - inside[-1][0] >= window_ns // BUCKETS:
        return (*inside, (now_ns, value))
    return inside
