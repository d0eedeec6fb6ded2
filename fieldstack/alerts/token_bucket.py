"""A rate limit: so many at once, and so many a minute. Time is an argument. Used by a channel's gate."""

from __future__ import annotations

from dataclasses import dataclass, field

from fieldstack_base.units import NS_PER_MINUTE


@dataclass(slots=True)
class TokenBucket:
    """Holds at most `burst` tokens and gains `per_minute`; full at its first use."""

    per_minute: float
    burst: int
    _tokens: float = field(default=-1.0)
    _at_ns: int = 0

    def take(self, now_ns: int) -> bool:
        """One token, if there is one. A time before the last one counts as that one."""
        if self._tokens < 0:
            self._tokens, self._at_ns = float(self.burst), now_ns
        gained = max(0, now_ns - self._at_ns) * self.per_minute / NS_PER_MINUTE
        self._tokens, self._at_ns = min(float(self.burst), self._tokens + gained), max(now_ns, self._at_ns)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
