"""The process history as a table: how often each process was late or failed, and how fast it was detected.

`fieldstack-rt status` shows it.
"""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

COLUMNS = ("history", "failures", "known after p50", "p99", "max", "went on after misses", "delay p99", "max")


def history_table(history: dict[str, Any]) -> Table | None:
    """None while nothing was ever missed or detected."""
    processes: dict[str, Any] = history.get("processes", {})
    if not processes:
        return None
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column(COLUMNS[0], header_style="dim", no_wrap=True)
    for column in COLUMNS[1:]:
        table.add_column(column, header_style="dim", justify="right")
    for name, one in processes.items():
        known, delay, misses = one["detection_ms"], one["delay_ms"], one["misses"]
        failures = ", ".join(f"{count} {kind}" for kind, count in one["detections"].items()) or "none"
        table.add_row(
            Text(name),
            failures,
            *(_ms(known, key) for key in ("p50", "p99", "max")),
            f"{misses['count']} times (most {misses['max']:.0f})" if misses["count"] else "-",
            *(_ms(delay, key) for key in ("p99", "max")),
        )
    return table


def _ms(histogram: dict[str, Any], key: str) -> str:
    return f"{histogram[key]:.3g} ms" if histogram["count"] else "-"
