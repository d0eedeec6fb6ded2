"""The bounded log of a process's standard output and error: the file and one generation before it.

The local process manager gives one to each process.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_LAST = 4096
_OURS = "fieldstack-"
_TRACEBACK = "Traceback"


class LogFile:
    """Append-only file that a child writes; `bound` keeps it within `limit` bytes while it is written."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self._limit = limit

    def open(self) -> int:
        """A descriptor for a child's output. O_APPEND: cutting the file while it is written is safe."""
        self.bound()
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def bound(self) -> None:
        """Move a file that has grown too large to another name and empty it in place (its writer keeps it
        open)."""
        try:
            if self.path.stat().st_size <= self._limit:
                return
            shutil.copyfile(self.path, self.path.with_suffix(".log.1"))
            os.truncate(self.path, 0)
        except OSError:
            return  # a log is never worth a process

    def last_message(self) -> str:
        """The last message as one line, empty if there is none. Our programs begin a message with their name,
        and it may have several lines. Of anything else, for example a traceback, it is the last line."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - _LAST))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        lines = [line for line in text.split("\n") if line.strip()]
        begins = [number for number, line in enumerate(lines) if line.startswith(_OURS)]
        message = lines[begins[-1] :] if begins else []
        if not message or any(line.startswith(_TRACEBACK) for line in message):
            message = lines[-1:]
        return " ".join(line.strip() for line in message)
