"""Cells that run on this machine, found by their shared memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fieldstack.cell.snapshot import Snapshot
from fieldstack.cell.status import SHARED_MEMORY, StatusSource
from fieldstack_rt.datastore import StoreError
from fieldstack_rt.instance import Instance, InstanceNameError

PREFIX = "fieldstack-"


def running_cells(folder: Path = SHARED_MEMORY) -> Iterator[Snapshot]:
    """A snapshot of each cell that is up and that this user may look at."""
    for file in sorted(folder.glob(f"{PREFIX}*")):
        try:
            snapshot = StatusSource(Instance(file.name.removeprefix(PREFIX))).take()
        except (InstanceNameError, StoreError, OSError):
            continue
        if snapshot.cell == "up":
            yield snapshot


def cell_on(interface: str) -> str | None:
    """The instance whose RT process has this interface, if any."""
    for snapshot in running_cells():
        if snapshot.bus.interface == interface and snapshot.rt.alive:
            return snapshot.instance
    return None
