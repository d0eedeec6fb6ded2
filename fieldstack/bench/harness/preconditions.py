"""Checks what a benchmark needs in addition to what a cell needs; each command does it first."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from fieldstack.bench.harness.errors import BenchError
from fieldstack.host import capabilities
from fieldstack.host.prerequisites import complete_path, require
from fieldstack.host.scheduling import may_use_fifo


def require_for_bench(*, virtual: bool) -> None:
    """Raises MissingPrerequisitesError or BenchError: nothing is measured without real-time priority."""
    complete_path()
    require(virtual=virtual)
    missing = [f"CAP_{one.name}" for one in capabilities.missing(capabilities.BUS)]
    if not may_use_fifo():
        missing.append("CAP_SYS_NICE")
    if missing:
        raise BenchError(
            f"benchmarks need {', '.join(missing)}, which this process does not have: run as root"
        )


def other_cells() -> list[int]:
    """Pids of other RT processes on this machine: their cycles and ours would disturb each other."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                comm = Path("/proc", name, "comm").read_text(encoding="utf-8", errors="replace").strip()
            except OSError:
                continue  # it has ended
            if comm == "fieldstack-rt":
                found.append(int(name))
    return sorted(found)


def warn_of_others(console: Console) -> None:
    """Warns that another cell runs, so that the machine is not quiet."""
    if others := other_cells():
        pids = ", ".join(map(str, others))
        text = f"warning: other RT processes run on this machine (pid {pids}): the results mean little"
        console.print(text, style="yellow", highlight=False)
