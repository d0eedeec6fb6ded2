"""The names of a cell's slaves, axes and groups, for the subjects of measures and actions.

Probes, actuators and operators' answers name things by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.bus.config.plan import BusPlan, GroupPlan
from fieldstack_ethercat.bus.config.plan_json import plan_from_json
from fieldstack_ethercat.bus.errors import PlanFormatError


@dataclass(frozen=True, slots=True)
class Part:
    """An axis group that the others do not need: mask of its axes, positions of its slaves, its name."""

    axes: int
    slaves: frozenset[int]
    name: str = ""


@dataclass(frozen=True, slots=True)
class CellMap:
    """By position: slaves, axes and each axis's `following_error_max` in counts. `groups`: masks of axes.
    `cycle_counts`: how far each axis may move in a cycle. `group_of`: `axis:NAME` and `slave:NAME` of groups
    whose tasks another group may be able to do, with their `group:NAME`. `parts`: its non-essential groups.
    `plans`: what is known of each axis. `stop_ms`: in which a stop is read back to be over, or is reported.
    """

    slaves: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    following_error_max: tuple[int, ...] = ()
    groups: dict[str, int] = field(default_factory=dict)
    cycle_counts: tuple[float, ...] = ()
    group_of: dict[str, str] = field(default_factory=dict)
    cycle_us: int = 0
    parts: tuple[Part, ...] = ()
    plans: tuple[AxisPlan, ...] = ()
    stop_ms: int = 0

    @classmethod
    def of(cls, plan: BusPlan) -> CellMap:
        return cls(
            tuple(slave.name for slave in plan.slaves),
            tuple(axis.name for axis in plan.axes),
            tuple(axis.following_error_max_counts for axis in plan.axes),
            {group.name: group.mask for group in plan.groups},
            tuple(axis.velocity_max_counts_s * plan.cycle_time_ns / 1e9 for axis in plan.axes),
            dict(_group_of(plan)),
            plan.cycle_time_ns // 1000,
            tuple(_parts(plan)),
            plan.axes,
            plan.stop_ms,
        )

    @classmethod
    def load(cls, file: Path) -> CellMap:
        """From the plan that RT reads. Without a plan it is empty, and subjects are numbers."""
        try:
            return cls.of(plan_from_json(file.read_bytes()))
        except (OSError, PlanFormatError):
            return cls()

    def slave(self, position: int) -> str:
        return f"slave:{self.slaves[position] if position < len(self.slaves) else position}"

    def axis(self, number: int) -> str:
        return f"axis:{self.axes[number] if number < len(self.axes) else number}"

    def slave_position(self, subject: str) -> int | None:
        """Of `slave:NAME`; None if there is no such slave."""
        name = subject.partition(":")[2]
        return self.slaves.index(name) if subject.startswith("slave:") and name in self.slaves else None

    def mask(self, groups: tuple[str, ...]) -> int:
        """The axes of these groups. Raises KeyError: there is no such group."""
        mask = 0
        for name in groups:
            mask |= self.groups[name.removeprefix("group:")]
        return mask


def _parts(plan: BusPlan) -> Iterator[Part]:
    for one in plan.groups:
        if not one.essential:
            yield Part(one.mask, frozenset(one.slaves), one.name)


def _group_of(plan: BusPlan) -> Iterator[tuple[str, str]]:
    for group in plan.groups:
        if any(_alike(group, other) for other in plan.groups if other is not group):
            for number in group.axes:
                yield f"axis:{plan.axes[number].name}", f"group:{group.name}"
            for position in group.slaves:
                yield f"slave:{plan.slaves[position].name}", f"group:{group.name}"


def _alike(one: GroupPlan, other: GroupPlan) -> bool:
    """Groups on which each other's tasks may run; Core knows whether a task can."""
    return bool(set(one.capabilities) & set(other.capabilities)) or len(one.axes) == len(other.axes)
