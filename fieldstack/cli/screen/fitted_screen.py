"""A screen that fits its terminal: it leaves out the least important parts and says so; it cuts nothing off.

The dashboard's parts are its sections; `fieldstack up` and `fieldstack-rt status` show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.panel import Panel
from rich.text import Text

LEAST_EVENTS = 2
_FRAME = 2
_NOTICE = 1


class Section(NamedTuple):
    """A named part of the screen. `rank` 0 stays; of the others the highest is left out first."""

    name: str
    rank: int
    what: RenderableType


def events_panel(events: Sequence[str]) -> RenderableType:
    """One line an event, oldest first."""
    return Panel(Text("\n".join(events), no_wrap=True, overflow="ellipsis"), title="last events")


def to_leave_out(ranks: Sequence[int], heights: Sequence[int], room: int) -> list[int]:
    """Which sections to leave out, as indexes; `heights` and `room` in lines, without the notice about it."""
    gone: list[int] = []
    over = sum(heights) - room
    for at in sorted((at for at, rank in enumerate(ranks) if rank), key=lambda at: -ranks[at]):
        if over + (_NOTICE if gone else 0) <= 0:
            break
        gone.append(at)
        over -= heights[at]
    return gone


class FittedScreen:
    """The sections in their order, then as many of the last events as there is room for."""

    def __init__(self, sections: Sequence[Section], events: Sequence[str]) -> None:
        self._sections, self._events = sections, events

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        free = options.reset_height()
        heights = [len(console.render_lines(one.what, free)) for one in self._sections]
        least = min(LEAST_EVENTS, len(self._events))
        room = console.size.height - 1 - (least + _FRAME if least else 0)
        gone = to_leave_out([one.rank for one in self._sections], heights, room)
        yield from (one.what for at, one in enumerate(self._sections) if at not in gone)
        if gone:
            names = ", ".join(self._sections[at].name for at in sorted(gone))
            yield Text(f"no room for: {names}", "dim", no_wrap=True, overflow="ellipsis")
        used = sum(lines for at, lines in enumerate(heights) if at not in gone) + (_NOTICE if gone else 0)
        lines = console.size.height - 1 - _FRAME - used
        if self._events and lines > 0:
            yield events_panel(self._events[-lines:])
