"""Wire against configuration: every difference names its position and both sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_ethercat.bus.errors import TopologyMismatchError
from fieldstack_ethercat.bus.master.topology import FoundSlave, compare

PLAN = plan_from_file(Path(__file__).parents[2] / "config" / "ethercat" / "cell.yaml")
WIRE = tuple(FoundSlave(at, slave.vendor, slave.product, 1, "fake") for at, slave in enumerate(PLAN.slaves))


def test_the_configured_wire_has_no_difference() -> None:
    assert compare(PLAN.slaves, WIRE) == ()


def test_swapped_slaves_differ_at_both_positions() -> None:
    swapped = (*WIRE[:3], replace(WIRE[4], position=3), replace(WIRE[3], position=4))
    differences = compare(PLAN.slaves, swapped)
    assert [(item.position, item.field) for item in differences] == [(3, "product"), (4, "product")]
    text = str(TopologyMismatchError(differences))
    assert "position 3 (drive-4): product: configured 0x00000402, on the wire 0x00000101 (fake)" in text


def test_missing_and_extra() -> None:
    (missing,) = compare(PLAN.slaves, WIRE[:4])
    assert (missing.position, missing.name, missing.field, missing.found) == (4, "dio", "missing", "no slave")
    extra = (*WIRE, FoundSlave(5, 0xF5D, 0x402, 1, "one more"))
    (more,) = compare(PLAN.slaves, extra)
    assert (more.position, more.name, more.field, more.configured) == (5, "one more", "extra", "no slave")
    assert "0x00000402" in more.found


def test_a_revision_counts_only_if_it_is_configured() -> None:
    newer = tuple(replace(slave, revision=2) for slave in WIRE)
    assert {item.field for item in compare(PLAN.slaves, newer)} == {"revision"}
    any_revision = tuple(replace(slave, revision=None) for slave in PLAN.slaves)
    assert compare(any_revision, newer) == ()
