"""Converts nanoseconds to the units that people and files use. All are whole numbers, so times stay exact.

Used wherever a setting in milliseconds or seconds is read, or a time is shown.
"""

from __future__ import annotations

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_MINUTE = 60 * NS_PER_S
NS_PER_HOUR = 60 * NS_PER_MINUTE
