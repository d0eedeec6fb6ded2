"""The times of one cell from which a policy's worst cases are computed.

`cell.launch` computes them; loading a policy checks it by them.
"""

from __future__ import annotations

from typing import NamedTuple


class CellTimes(NamedTuple):
    """0: the time that the policy assumes."""

    cycle_us: int = 0
    supervision_interval_ms: int = 0
    stop_ms: int = 0


AS_POLICY_ASSUMES = CellTimes()
