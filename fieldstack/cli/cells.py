"""`fieldstack cells`: lists every instance that runs or has left something, and the command that ends it."""

from __future__ import annotations

import json

from rich.table import Table

from fieldstack.cell.instances import InstanceView, instances
from fieldstack.cli.exit_codes import ExitCode
from fieldstack.cli.screen.terminal import terminal


def show_cells(*, as_json: bool) -> ExitCode:
    """Prints a table, or one JSON list."""
    found = list(instances())
    if as_json:
        print(json.dumps([one.to_dict() for one in found], indent=2))
    else:
        terminal().print(_table(found) if found else "no cell of this user runs on this machine")
    return ExitCode.OK


def _table(found: list[InstanceView]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("instance", "state", "up", "processes", "note"):
        table.add_column(column, header_style="dim", overflow="fold")
    for one in found:
        processes = ", ".join(f"{name} {pid}" for name, pid in one.processes.items()) or "-"
        table.add_row(one.instance, one.state, str(one.up_pid or "-"), processes, one.note)
    return table
