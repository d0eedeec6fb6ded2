"""Shows results on the screen and writes them to a file. Every benchmark uses it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fieldstack.bench.harness import machine
from fieldstack.bench.harness.checks import Check
from fieldstack.bench.harness.percentiles import Percentiles
from fieldstack_base.atomic_file import replace_file

Say = Callable[[str], None]


def write_json(path: Path, benchmark: str, result: dict[str, Any]) -> None:
    """Writes the result with the machine's facts; the file appears whole or not at all."""
    whole = {
        "benchmark": benchmark,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **result,
        "machine": machine.facts().to_json(),
    }
    replace_file(path, json.dumps(whole, indent=2, ensure_ascii=False) + "\n")


def percentile_table(title: str, rows: Iterable[tuple[str, Percentiles | None]]) -> Table:
    """A table with one distribution in each row; those that were not measured are left out."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in ("p50", "p99", "p99.9", "max", "samples"):
        table.add_column(name, justify="right")
    for name, found in rows:
        if found is not None:
            values = (f"{value:.1f}" for value in (found.p50, found.p99, found.p999, found.max))
            table.add_row(name, *values, str(found.count))
    return table


def show_checks(console: Console, checks: Sequence[Check]) -> None:
    for check in checks:
        mark, style = ("held", "green") if check.held else ("MISSED", "bold red")
        console.print(f"{mark:6}  {check.text()}", style=style, highlight=False)


def show_machine(console: Console) -> None:
    console.print(machine.facts().text(), style="dim", highlight=False)


@contextlib.contextmanager
def status(console: Console) -> Iterator[Say]:
    """Shows progress in one line; in plain lines if the output is no terminal."""
    if not console.is_terminal:
        yield lambda text: console.print(text, highlight=False)
        return
    with console.status("starting") as line:
        yield line.update
