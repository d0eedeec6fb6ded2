"""What tasks have to work with: axis groups, outputs and inputs by name, from the bus plan.

All of Tasks uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fieldstack_ethercat.bus.config.axis_plan import AxisPlan
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.slave_plan import PdoEntry


@dataclass(frozen=True, slots=True)
class Group:
    """Axes that move together and stop together; `numbers` are the axes' places in the bus configuration."""

    name: str
    numbers: tuple[int, ...]
    axes: tuple[AxisPlan, ...]
    capabilities: frozenset[str]
    essential: bool = True

    @property
    def mask(self) -> int:
        """The axes as bits, as in `fs_setpoint.axes`."""
        return sum(1 << number for number in self.numbers)

    def stands_in_for(self, other: Group) -> bool:
        """A task of `other` can run here: every capability is there, and the axes match in order and unit."""
        return other.capabilities <= self.capabilities and self.same_axes(other)

    def same_axes(self, other: Group) -> bool:
        return [axis.unit for axis in self.axes] == [axis.unit for axis in other.axes]


@dataclass(frozen=True, slots=True)
class Signal:
    """Some bits of the image of the slaves that are no axes; `bit` counts from its first byte on."""

    name: str
    bit: int
    bits: int

    def value(self, image: bytes) -> int:
        return int.from_bytes(image, "little") >> self.bit & self.mask

    def put(self, image: int, value: int) -> int:
        """The image, as one little-endian number, with this signal set."""
        return image & ~(self.mask << self.bit) | (value & self.mask) << self.bit

    @property
    def mask(self) -> int:
        return (1 << self.bits) - 1


@dataclass(frozen=True)
class Machine:
    """A cell's axes, groups and signals. Signals are found as NAME where it is unique, else SLAVE.NAME."""

    cycle_ns: int
    axes: tuple[AxisPlan, ...]
    groups: dict[str, Group]
    outputs: dict[str, Signal]
    inputs: dict[str, Signal]
    output_bytes: int

    @classmethod
    def of(cls, plan: BusPlan) -> Machine:
        moved = {axis.slave for axis in plan.axes}
        rest = [slave for slave in plan.slaves if slave.position not in moved]
        outputs = [(s.name, s.output_bytes, [e for pdo in s.rx for e in pdo.entries]) for s in rest]
        inputs = [(s.name, s.input_bytes, [e for pdo in s.tx for e in pdo.entries]) for s in rest]
        return cls(
            cycle_ns=plan.cycle_time_ns,
            axes=plan.axes,
            groups={group.name: group for group in _groups(plan)},
            outputs=_signals(outputs),
            inputs=_signals(inputs),
            output_bytes=sum(size for _, size, _ in outputs),
        )

    @cached_property
    def cycle_s(self) -> float:
        return self.cycle_ns / 1e9

    def group_of(self, axis: int) -> Group | None:
        """Of an axis number; None: there is no such axis."""
        return next((group for group in self.groups.values() if axis in group.numbers), None)

    @cached_property
    def all_axes(self) -> int:
        """Mask of all axes."""
        return (1 << len(self.axes)) - 1

    def with_capability(self, capability: str) -> tuple[Group, ...]:
        return tuple(group for group in self.groups.values() if capability in group.capabilities)


def _groups(plan: BusPlan) -> list[Group]:
    """Groups of the bus plan that have axes."""
    return [
        Group(
            group.name,
            group.axes,
            tuple(plan.axes[number] for number in group.axes),
            frozenset(group.capabilities),
            group.essential,
        )
        for group in plan.groups
        if group.axes
    ]


def _signals(slaves: list[tuple[str, int, list[PdoEntry]]]) -> dict[str, Signal]:
    """Under full names, and under plain ones where only one slave has such a signal."""
    full: dict[str, Signal] = {}
    plain: dict[str, list[Signal]] = {}
    first = 0
    for slave, size, entries in slaves:
        for entry in entries:
            if entry.name:
                signal = Signal(f"{slave}.{entry.name}", first + entry.bit_offset, entry.bits)
                full[signal.name] = signal
                plain.setdefault(entry.name, []).append(signal)
        first += size * 8
    return {name: found[0] for name, found in plain.items() if len(found) == 1} | full
