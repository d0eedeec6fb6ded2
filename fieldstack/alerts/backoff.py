"""Says how long a delivery waits before it is tried again: doubling, bounded, a little different each time.

`delivery` uses it after each failure.
"""

from __future__ import annotations

import zlib

FIRST_NS = 1_000_000_000
MAX_DELAY_NS = 300_000_000_000
SPREAD = 0.2
_MAX_DOUBLINGS = 20


def delay_ns(attempt: int, key: str) -> int:
    """Wait after failure number `attempt` (from 1); `key` spreads senders by up to 20 percent."""
    usual = min(MAX_DELAY_NS, FIRST_NS << min(max(attempt, 1) - 1, _MAX_DOUBLINGS))
    share = zlib.crc32(f"{key}/{attempt}".encode()) / 0xFFFFFFFF
    return round(usual * (1 - SPREAD * share))
