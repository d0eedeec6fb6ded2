"""Says which bus configuration a checkpoint's positions belong to.

`nonrt.parts` gives it to the StateCheckpoint.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_from_json
from fieldstack_ethercat.bus.errors import PlanFormatError


def fingerprint(plan: BusPlan) -> str:
    """A hash of all that gives a position its meaning: which drive is where, and each axis's scale and
    limits. Cycle time, watchdogs, PDO layout and names of files may change, and the positions stay valid."""
    slaves = [[one.position, one.vendor, one.product] for one in plan.slaves]
    axes = [
        [
            axis.name,
            axis.slave,
            axis.unit,
            axis.counts_per_unit,
            axis.position_min_counts,
            axis.position_max_counts,
        ]
        for axis in plan.axes
    ]
    return hashlib.sha256(json.dumps([slaves, axes]).encode()).hexdigest()[:32]


def fingerprint_of_file(plan_file: Path) -> str:
    """The fingerprint of the plan; empty if there is no readable plan."""
    try:
        return fingerprint(plan_from_json(plan_file.read_bytes()))
    except (OSError, PlanFormatError):
        return ""
