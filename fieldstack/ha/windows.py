"""Windows of a rule: the mean, or a counter's growth, over the last so many milliseconds. Pure arithmetic.

A window is kept as at most `BUCKETS` samples, so its cost does not grow with the rate of readings; it
begins up to one bucket earlier or later than it should.
"""

from __future__ import annotations

from fieldstack.ha.measures import Over
from fieldstack.ha.policy.table import RuleRow

BUCKETS = 16
Samples = tuple[tuple[int, float], ...]


def judged(row: RuleRow, samples: Samples, now_ns: int, value: float) -> tuple[Samples, float | None]:
    """The samples to keep, and the value to compare with the threshold; None: the window is not full yet.

    A counter that has fallen was reset (its process was started anew): it grew from 0.
    """
    if row.window_ns == 0:
        return (), value
    if row.over is Over.GROWN:
        return _growth(row.window_ns, samples, now_ns, value)
    return _mean(row.window_ns, samples, now_ns, value)


def _growth(window_ns: int, samples: Samples, now_ns: int, value: float) -> tuple[Samples, float]:
    if samples and value < samples[-1][1]:
        samples = ((now_ns, 0.0),)
    kept = _kept(window_ns, samples, now_ns, value)
    return kept, value - kept[0][1]


def _mean(window_ns: int, samples: Samples, now_ns: int, value: float) -> tuple[Samples, float | None]:
    kept = _kept(window_ns, samples, now_ns, value)
    if now_ns - kept[0][0] < window_ns - window_ns // BUCKETS:
        return kept, None
    total, count = sum([one for _, one in kept]), len(kept)
    if kept[-1][0] != now_ns:
        total, count = total + value, count + 1
    return kept, total / count


def _kept(window_ns: int, samples: Samples, now_ns: int, value: float) -> Samples:
    """What is inside the window, with one sample a bucket. The newest is never dropped."""
    if not samples:
        return ((now_ns, value),)
    inside = samples
    if now_ns - samples[0][0] > window_ns:
        inside = tuple(one for one in samples if now_ns - one[0] <= window_ns)
    if not inside:
        return ((now_ns, value),)
    if now_ns - inside[-1][0] >= window_ns // BUCKETS:
        return (*inside, (now_ns, value))
    return inside
