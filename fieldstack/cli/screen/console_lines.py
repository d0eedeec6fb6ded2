"""Prints lines about a cell on standard output, for any reader. `fieldstack up --headless` uses it.

The cell continues when nobody reads any more.
"""

from __future__ import annotations

import contextlib
import os

from rich.console import Console


class ConsoleLines:
    """Prints lines, until one cannot be written: its reader or terminal has gone, or the disk is full."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Never raises; after the first line that failed, nothing is printed any more."""
        try:
            self._console.print(text, highlight=False, soft_wrap=True, markup=False)
        except (OSError, ValueError, SystemExit):  # rich ends the program at a broken pipe
            self._go_quiet()

    def _go_quiet(self) -> None:
        self._console.quiet = True
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._console.file.fileno())  # the buffered rest would fail again at the end
            os.close(nowhere)
