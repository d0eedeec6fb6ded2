"""What a drive does by itself when it must stop: written from the stop category, read back, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fieldstack_base.configuration_error import ConfigurationError
from fieldstack_ethercat.bus.config.loading import load_text
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_from_json, plan_to_json
from fieldstack_ethercat.bus.config.planning import plan_from_text
from fieldstack_ethercat.bus.config.slave_plan import StartupSdo
from fieldstack_ethercat.bus.errors import StopOptionError
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.drives.stop_options import STOP_OPTIONS
from fieldstack_ethercat.segment.description.defects import ObjectFault
from fieldstack_ethercat.testing.running_segment import RunningSegment, running_segment

CELL = (Path(__file__).parents[2] / "config/ethercat/cell.yaml").read_text(encoding="utf-8")
DRIVE = 1
SPOILED = 7
"""A quick stop option code of none of the categories."""


def plan_of(category: int) -> BusPlan:
    return plan_from_text(CELL.replace("stop_category: 1", f"stop_category: {category}"), "bus.yaml")


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSegment]:
    with running_segment() as found:
        yield found


@pytest.fixture
def segment(running: RunningSegment) -> Iterator[RunningSegment]:
    yield running
    for index in (*STOP_OPTIONS[1], 0x6085):
        running.client.object_fault(DRIVE, index, ObjectFault.NONE)


def configured(segment: RunningSegment, plan: BusPlan) -> Bus:
    bus = Bus(plan, segment.interface)
    bus.open()
    try:
        bus.configure()
    except Exception:
        bus.close()
        raise
    return bus


def values(bus: Bus, position: int) -> dict[int, int]:
    read = bus.master.slaves[position].sdo_read
    return {index: int.from_bytes(read(index, 0), "little", signed=True) for index in STOP_OPTIONS[1]}


@pytest.mark.system
@pytest.mark.parametrize("category", [2, 0, 1])
def test_all_option_codes_are_those_of_the_category(segment: RunningSegment, category: int) -> None:
    plan = plan_of(category)
    bus = configured(segment, plan)
    try:
        for axis in plan.axes:
            assert values(bus, axis.slave) == dict(STOP_OPTIONS[category])
            ramp = bus.master.slaves[axis.slave].sdo_read(0x6085, 0)
            assert int.from_bytes(ramp, "little") == axis.quick_stop_deceleration_counts_s2
        bus.master.slaves[DRIVE].sdo_write(0x605A, 0, SPOILED.to_bytes(2, "little"))
    finally:
        bus.close()
    bus = configured(segment, plan)
    try:
        assert values(bus, DRIVE) == dict(STOP_OPTIONS[category]), "whenever it is set up again"
    finally:
        bus.close()


@pytest.mark.system
@pytest.mark.parametrize("fault", [ObjectFault.READ_ONLY, ObjectFault.FORGETS])
def test_a_drive_that_does_not_take_it_refuses_the_configuration(
    segment: RunningSegment, fault: ObjectFault
) -> None:
    segment.client.object_fault(DRIVE, 0x605A, fault)
    with pytest.raises(StopOptionError) as caught:
        configured(segment, plan_of(0))
    assert (caught.value.file, caught.value.key) == ("bus.yaml", f"slaves[{DRIVE}].stop_category")
    assert "0x605A quick stop option code = 0" in str(caught.value)


@pytest.mark.system
def test_what_a_drive_lacks_is_left_out_and_told(segment: RunningSegment) -> None:
    for index in (0x605A, 0x6085):
        segment.client.object_fault(DRIVE, index, ObjectFault.ABSENT)
    bus = configured(segment, plan_of(1))
    try:
        assert bus.lacking[DRIVE] == (0x605A, 0x6085)
        assert bus.lacking[DRIVE + 1] == ()
    finally:
        bus.close()


@pytest.mark.parametrize(("value", "well"), [(2, True), (0, False), (6, False)])
def test_a_startup_sdo_must_not_contradict_the_category(value: int, well: bool) -> None:
    sdo = f"    startup_sdos: [{{object: 0x605A, type: i16, value: {value}}}]\n    pdos:\n      rx:\n"
    text = CELL.replace("    pdos:\n      rx:\n", sdo, 1)
    if well:
        assert StartupSdo(0x605A, 0, b"\x02\x00", False) in plan_from_text(text).slaves[0].startup_sdos
        return
    with pytest.raises(ConfigurationError) as caught:
        load_text(text, "bus.yaml")
    assert caught.value.key == "slaves[0].startup_sdos[0].value"
    assert "stop_category 1" in str(caught.value)


BRAKE = "    brake: {output: out-8}\n"


def with_axis_keys(text: str) -> str:
    return CELL.replace(
        "    quick_stop_deceleration: 15000\n", f"    quick_stop_deceleration: 15000\n{text}", 1
    )


def test_a_brake_comes_before_the_power_is_taken_away() -> None:
    plan = plan_from_text(with_axis_keys(BRAKE))
    stop = plan.axes[2].stop
    assert stop.ladder == ("quick_stop", "brake", "disable_voltage", "safe_outputs", "end_rt")
    assert (stop.brake_slave, stop.brake_bit, stop.brake_applied) == (4, 7, 0)
    assert plan_from_json(plan_to_json(plan)) == plan
    assert plan.axes[0].stop == replace(stop, ladder=plan.axes[0].stop.ladder, brake_slave=-1, brake_bit=0)


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("    brake: {output: out-9}\n", "axes[2].brake.output", "no slave has"),
        ("    brake: {output: controlword, slave: drive-1}\n", "axes[2].brake.output", "has 16 bits"),
        ("    on_stop_failure: [brake, end_rt]\n", "axes[2].on_stop_failure[0]", "no brake"),
        ("    on_stop_failure: [end_rt, end_rt]\n", "axes[2].on_stop_failure[1]", "twice"),
        ("    on_stop_failure: [pray]\n", "axes[2].on_stop_failure[0]", ""),
    ],
)
def test_what_is_wrong_with_a_ladder_is_named(text: str, key: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text(with_axis_keys(text), "bus.yaml")
    assert any(issue.key == key and problem in issue.problem for issue in caught.value.issues), (
        caught.value.issues
    )
