"""Nobody has to listen: a cell is ended in order whether its lines can be written or not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SPEAK = """
import sys
from rich.console import Console
from fieldstack.cli.screen.console_lines import ConsoleLines
voice = ConsoleLines(Console())
for _ in range(3):
    voice.say("a line")
print("went on", file=sys.stderr)
"""


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("where", ["closed pipe", "full disk"])
def test_it_goes_on_quietly_where_nothing_can_be_written(where: str) -> None:
    output = closed_pipe() if where == "closed pipe" else os.open("/dev/full", os.O_WRONLY)
    try:
        done = subprocess.run(
            [sys.executable, "-c", SPEAK], stdout=output, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(output)
    assert (done.returncode, done.stderr) == (0, "went on\n")
