"""Every test has an instance of its own, with folders, shared memory and a cable of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fieldstack_base.instance import Instance
from tests.system.running_cell import RunningCell, StartCell, cell_file, running_cell

_numbers = count()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    return Instance(f"t{os.getpid() % 100_000}-{next(_numbers) % 1000}")


@pytest.fixture
def start_cell(instance: Instance, tmp_path: Path) -> Iterator[StartCell]:
    """Starts a cell with these sections of its configuration; it ends with the test, in order."""
    with ExitStack() as stack:

        def start(
            *,
            bus: Path | None = None,
            policy: Path | None = None,
            interface: str | None = None,
            socket: Path | None = None,
            **sections: Any,
        ) -> RunningCell:
            config = cell_file(tmp_path, bus=bus, policy=policy, **sections)
            return stack.enter_context(running_cell(instance, config, interface=interface, socket=socket))

        yield start


@pytest.fixture
def cell(start_cell: StartCell) -> RunningCell:
    """The demo cell, up and about to move."""
    cell = start_cell()
    try:
        cell.await_operational()
    except AssertionError:
        cell.tell_story()
        raise
    return cell
