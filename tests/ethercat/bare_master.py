"""pysoem's master without Fieldstack, for tests of the virtual segment."""

from __future__ import annotations

import time

import pysoem

PATIENCE_S = 10.0


def find_slaves(master: pysoem.Master, count: int) -> None:
    """Until all are found: SOEM waits for some ms, and a busy machine may hold the segment up for longer."""
    until = time.monotonic() + PATIENCE_S
    while (found := master.config_init()) != count:
        assert time.monotonic() < until, f"{found} slaves were found, not {count}"
