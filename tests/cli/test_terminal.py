"""What people and configurations call things is printed as it is."""

from __future__ import annotations

import pytest
from rich.table import Table

from fieldstack.cli.screen.terminal import terminal

NAME = "drive_fault of axis:x: [drive-fault] [bold]"


def test_names_are_neither_emoji_nor_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table()
    table.add_column("what")
    table.add_row(NAME)
    console = terminal(width=80)
    console.print(NAME)
    console.print(table)
    printed = capsys.readouterr().out
    assert printed.count(NAME) == 2
