"""Reads /proc/PID/status: its lines by name (proc_pid_status(5)).

Health, `fieldstack prepare` and the master read capabilities and locked memory from it.
"""

from __future__ import annotations

from pathlib import Path


def parse_status(text: str) -> dict[str, str]:
    """The values by the names that the kernel gives them, without the blanks around them."""
    lines = (line.partition(":") for line in text.splitlines())
    return {key: value.strip() for key, colon, value in lines if colon}


def read_status(folder: Path) -> dict[str, str]:
    """Of the process, or thread, with that folder in /proc. Raises OSError if there is none."""
    return parse_status((folder / "status").read_text(encoding="utf-8", errors="replace"))


def effective_capabilities(status: dict[str, str]) -> int:
    """The bits of the effective set (capabilities(7)); 0 if the kernel does not name it."""
    return int(status.get("CapEff", "0"), 16)
