"""The times of one cell that a policy's worst cases rest on."""

from __future__ import annotations

from typing import NamedTuple


class CellTimes(NamedTuple):
    """0: as the policy takes for granted."""

    cycle_us: int = 0
    supervision_interval_ms: int = 0
    stop_ms: int = 0


AS_POLICY_ASSUMES = CellTimes()
