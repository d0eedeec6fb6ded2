"""Times of a snapshot for people: the local wall clock, and how long ago. The dashboard uses them."""

from __future__ import annotations

from datetime import datetime


def local_time(text: str | None) -> str:
    """A snapshot's UTC text as local wall-clock time; with the date if it is not today's."""
    if text is None:
        return "-"
    moment = datetime.fromisoformat(text).astimezone()
    today = datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if moment.date() == today else "%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
