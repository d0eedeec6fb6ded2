"""A booted machine with an installed Fieldstack, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systemd.machine import Machine, unavailable
from tests.systemd.systemd_cell import SystemdCell, installation

WRONG = """bus: missing.yaml
policy: failover_policy.json
rt:
  priorty: 80
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if why := unavailable():
        pytest.skip(f"no real systemd here: {why}")
    files = installation("bench", "nowire") | {"etc/fieldstack/wrong.yaml": WRONG}
    with Machine(tmp_path_factory.mktemp("machine"), files) as booted:
        yield booted


@pytest.fixture(scope="module")
def running(machine: Machine) -> Iterator[SystemdCell]:
    """A cell on a virtual segment."""
    made = SystemdCell(machine, "bench")
    try:
        made.start()
        yield made
    finally:
        made.stop()
        made.close()


@pytest.fixture
def cell(running: SystemdCell) -> SystemdCell:
    """The same, operational, with a start limit that nobody has touched yet."""
    running.machine.run("systemctl", "reset-failed")
    running.await_operational()
    return running
