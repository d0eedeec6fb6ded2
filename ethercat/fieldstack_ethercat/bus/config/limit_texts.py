"""The text for people about an axis beyond its position limits, with the way back.

Tasks, the status and the probe of the axes say it in the same words.
"""

from __future__ import annotations

from fieldstack_ethercat.bus.config.axis_plan import AxisPlan


def beyond_text(axis: AxisPlan, position: float) -> str:
    """Where it stands and by how much that is too far, in its unit; empty: inside. `position` in counts."""
    out = axis.beyond_limit(position)
    if not out:
        return ""
    limit = axis.position_max_counts if out > 0 else axis.position_min_counts
    at, by, end = (_shown(value / axis.counts_per_unit) for value in (position, abs(out), limit))
    return (
        f"axis {axis.name} stands at {at} {axis.unit}, {by} {axis.unit} beyond its limit of {end} {axis.unit}"
    )


def way_back(axis: AxisPlan, position: float) -> str:
    """The command that leads it back. `position` in counts, beyond a limit."""
    direction = "-" if axis.beyond_limit(position) > 0 else "+"
    return (
        f"bring it back with `fieldstack jog {axis.name} {direction}`, or a task whose next move ends inside"
    )


def _shown(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
