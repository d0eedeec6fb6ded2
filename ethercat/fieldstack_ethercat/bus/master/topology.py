"""Compares who is on the wire with who is configured to be there.

Bring-up refuses the bus by its differences, and a slave that comes later is checked with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fieldstack_ethercat.bus.config.slave_plan import SlavePlan
from fieldstack_ethercat.bus.errors import TopologyDifference


@dataclass(frozen=True, slots=True)
class FoundSlave:
    """A slave as the wire shows it: identity and name from its SII."""

    position: int
    vendor: int
    product: int
    revision: int
    name: str

    def identity(self) -> str:
        return f"vendor 0x{self.vendor:08X}, product 0x{self.product:08X}, revision 0x{self.revision:08X}"


def compare(planned: Sequence[SlavePlan], found: Sequence[FoundSlave]) -> tuple[TopologyDifference, ...]:
    """Every difference, by position; empty if the wire is as configured."""
    differences = [
        difference
        for plan, slave in zip(planned, found, strict=False)
        for difference in _identity(plan, slave)
    ]
    for plan in planned[len(found) :]:
        differences.append(
            TopologyDifference(plan.position, plan.name, "missing", _expected(plan), "no slave")
        )
    for slave in found[len(planned) :]:
        differences.append(
            TopologyDifference(slave.position, slave.name, "extra", "no slave", slave.identity())
        )
    return tuple(differences)


def _expected(plan: SlavePlan) -> str:
    revision = "any" if plan.revision is None else f"0x{plan.revision:08X}"
    return f"vendor 0x{plan.vendor:08X}, product 0x{plan.product:08X}, revision {revision}"


def _identity(plan: SlavePlan, slave: FoundSlave) -> Iterator[TopologyDifference]:
    for field, wanted, actual in (
        ("vendor", plan.vendor, slave.vendor),
        ("product", plan.product, slave.product),
        ("revision", plan.revision, slave.revision),
    ):
        if wanted is not None and wanted != actual:
            yield TopologyDifference(
                plan.position, plan.name, field, f"0x{wanted:08X}", f"0x{actual:08X} ({slave.name})"
            )
