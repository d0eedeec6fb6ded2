"""On a low terminal the dashboard leaves out what matters least, and says so; nothing is cut off."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from fieldstack.cli.screen.fitted_screen import FittedScreen, Section, to_leave_out

SECTIONS = [
    Section("state", 0, Text("STATE")),
    Section("bus", 3, Text("BUS 1\nBUS 2\nBUS 3")),
    Section("axes", 0, Text("AXES 1\nAXES 2")),
    Section("checkpoint", 7, Text("CHECKPOINT")),
]
EVENTS = [f"event {number}" for number in range(10)]


def shown(height: int) -> list[str]:
    console = Console(width=40, height=height, file=io.StringIO(), legacy_windows=False)
    with console.capture() as capture:
        console.print(FittedScreen(SECTIONS, EVENTS))
    return capture.get().splitlines()


def test_the_highest_rank_goes_first_and_rank_0_stays() -> None:
    ranks, heights = (0, 3, 0, 7), (1, 3, 2, 1)
    assert to_leave_out(ranks, heights, room=7) == []
    assert to_leave_out(ranks, heights, room=6) == [3, 1]  # the notice takes a line, too
    assert to_leave_out(ranks, heights, room=1) == [3, 1]


@pytest.mark.parametrize("height", [10, 12, 16, 40])
def test_no_line_is_beyond_the_terminal_and_the_newest_event_is_there(height: int) -> None:
    lines = shown(height)
    text = "\n".join(lines)
    assert len(lines) < height
    assert "STATE" in text
    assert "AXES 2" in text
    assert "event 9" in text


def test_what_is_left_out_is_named() -> None:
    assert "no room for: bus, checkpoint" in "\n".join(shown(10))
    assert "no room" not in "\n".join(shown(40))
    assert "event 0" in "\n".join(shown(40))
