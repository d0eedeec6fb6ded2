"""Says whether the axes stand still, as RT read it back. Pure.

Stops and resets are confirmed by it, and people are shown its text. RT judges each axis by velocity and
position in inputs that really arrived (native/standstill.c). What is not known never counts as standing
still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.drives.cia402 import operation_enabled
from fieldstack_rt.datastore.layout import MAX_AXES, Rung, Stand, Stop
from fieldstack_rt.datastore.number_texts import rung_text

HARDWARE = "use the hardware button"


@dataclass(frozen=True, slots=True)
class Standstill:
    """In words, for each axis: what moves (or has power in an EMERGENCY_STOP), what is not known, and what
    cannot be known because its slave is reported lost."""

    failing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def confirmed(self) -> bool:
        """For every axis that answers. An axis whose slave is lost is reported, and has rules of its own."""
        return not self.failing and not self.unknown

    @property
    def all_stand(self) -> bool:
        """For every axis."""
        return self.confirmed and not self.lost

    @property
    def text(self) -> str:
        return "; ".join((*self.failing, *self.unknown, *self.lost)) or "all axes stand"


def read_back(status: Any, plans: Sequence[AxisPlan], lost: int = 0) -> Standstill:
    """`status`: `fs_rt_status` of a cycle that runs; `lost`: mask of axes whose slaves are reported lost."""
    failing, unknown, gone = [], [], []
    if plans and int(status.axis_count) != len(plans):
        return Standstill(unknown=(f"RT shows {int(status.axis_count)} axes of {len(plans)}",))
    gone_mask = lost | int(status.axes_lost)
    for number in range(min(int(status.axis_count), MAX_AXES)):
        axis, name = status.axes[number], _name(plans, number)
        if axis.stand == Stand.STANDING and not _keeps_power(status, axis):
            continue
        if axis.stand == Stand.STANDING:
            failing.append(f"axis {name} stands, but is in Operation enabled still")
        elif axis.stand == Stand.MOVING:
            failing.append(f"axis {name} still moves at {speed_text(plans, number, int(axis.speed))}")
        elif gone_mask >> number & 1:
            gone.append(f"axis {name}: not known, its slave is lost")
        else:
            unknown.append(f"axis {name}: not known, its inputs do not come")
    return Standstill(tuple(failing), tuple(unknown), tuple(gone))


def unsettled(status: Any, plans: Sequence[AxisPlan]) -> str:
    """Why a reset is not finished: axes that their ladder still holds, or about which nothing is known. Axes
    whose slaves are reported lost are left out: rules of their own handle the loss."""
    found = []
    here = ~int(status.axes_lost)
    for number in range(min(int(status.axis_count), MAX_AXES)):
        axis = status.axes[number]
        if int(status.axes_run_on) & here & 1 << number:
            found.append(runs_on_text(axis, plans, number) or f"axis {_name(plans, number)} runs on")
        elif axis.stand == Stand.UNKNOWN and here >> number & 1:
            found.append(f"axis {_name(plans, number)}: not known, its inputs do not come")
    return "; ".join(found)


def _keeps_power(status: Any, axis: Any) -> bool:
    return int(status.stop_reason) == Stop.ESTOP and operation_enabled(axis.statusword)


def lost_axes(bus: Any, plans: Sequence[AxisPlan]) -> int:
    """Mask: axes on slaves that `fs_rt_bus` tells lost."""
    return sum(1 << number for number, plan in enumerate(plans) if bus.slaves[plan.slave].lost)


def runs_on_text(axis: Any, plans: Sequence[AxisPlan], number: int) -> str:
    """The text for an axis that did not stop in time, or ignores a stop; empty for other axes."""
    speed = speed_text(plans, number, int(axis.speed))
    how = f"moves at {speed}" if axis.stand == Stand.MOVING else "stands now"
    if axis.stand == Stand.UNKNOWN:
        how = "is not seen any more"
    name = f"axis {_name(plans, number)}"
    if axis.rung != Rung.NONE:
        return f"{name} did not stop within its bound and {how}; now: {rung_text(int(axis.rung))}"
    if axis.ignores:
        return f"{name} ignores the stop (Operation enabled) and {how}"
    return ""


def speed_of(plans: Sequence[AxisPlan], number: int, counts_s: int) -> float:
    """The speed in the axis's own unit per second; in counts/s if the plan is not known."""
    return counts_s / plans[number].counts_per_unit if number < len(plans) else float(counts_s)


def speed_text(plans: Sequence[AxisPlan], number: int, counts_s: int) -> str:
    unit = plans[number].unit if number < len(plans) else "counts"
    return f"{speed_of(plans, number, counts_s):.3g} {unit}/s"


def _name(plans: Sequence[AxisPlan], number: int) -> str:
    return plans[number].name if number < len(plans) else str(number)
