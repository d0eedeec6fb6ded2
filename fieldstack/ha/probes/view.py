"""The records of shared memory that the probes of one pass share.

Each is copied once, by `ProcessMonitor`.
"""

from __future__ import annotations

from typing import Any, Protocol


class View(Protocol):
    """Records of this pass; None: torn, too old, or of an RT process that is not the present one."""

    rt_status: Any
    rt_bus: Any
    core_status: Any
