"""The emulated drive out of order: it ignores commands, setpoints, the AL state; it shows wrong values."""

from __future__ import annotations

import pytest

from fieldstack_ethercat.drives.cia402 import Controlword, State
from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import Device
from fieldstack_ethercat.segment.description.defects import WORDS, Defect, ObjectFault, defects_of
from fieldstack_ethercat.testing.drive_bench import DriveBench, deceleration

SPEED = 20.0


def moving(defects: Defect, ramp_per_mille: int = 0) -> DriveBench:
    bench = DriveBench()
    bench.enable()
    bench.drive_at(SPEED)
    bench.drive.defects, bench.drive.ramp_share = defects, ramp_per_mille
    return bench


def runs_on(bench: DriveBench) -> bool:
    return bench.state is State.OPERATION_ENABLED and bench.velocity > 0.95 * SPEED


@pytest.mark.parametrize(
    ("defects", "word"),
    [
        (Defect.QUICK_STOP, Controlword.QUICK_STOP),
        (Defect.DISABLE_VOLTAGE, Controlword.DISABLE_VOLTAGE),
        (Defect.SHUTDOWN, Controlword.SHUTDOWN),
        (Defect.CONTROLWORD, Controlword.DISABLE_VOLTAGE),
        (Defect.CONTROLWORD, Controlword.QUICK_STOP),
    ],
)
def test_an_ignored_command_has_no_effect_until_the_drive_is_well(defects: Defect, word: Controlword) -> None:
    bench = moving(defects | Defect.SETPOINTS)
    bench.step(word)
    list(bench.run(0.3))
    assert runs_on(bench)
    bench.drive.defects = 0
    bench.step(word)
    list(bench.run(0.2))
    assert bench.state is not State.OPERATION_ENABLED


def test_other_commands_than_the_ignored_one_are_obeyed() -> None:
    bench = moving(Defect.QUICK_STOP | Defect.SETPOINTS)
    bench.step(Controlword.QUICK_STOP)
    assert bench.step(Controlword.DISABLE_VOLTAGE) is State.SWITCH_ON_DISABLED


def test_a_drive_that_ignores_the_al_state_goes_on_by_its_last_outputs() -> None:
    bench = moving(Defect.AL | Defect.SETPOINTS)
    list(bench.run(0.3, valid=False))
    assert runs_on(bench)


def test_a_ramp_can_be_slower_than_it_should_be() -> None:
    bench = moving(Defect(0), ramp_per_mille=250)
    bench.drive.quick_stop_deceleration = 131072 * 100
    bench.step(Controlword.QUICK_STOP)
    assert deceleration(list(bench.run(1.0))) == pytest.approx(25, rel=0.05)


def test_shown_values_can_be_wrong_one_by_one() -> None:
    bench = moving(Defect.VELOCITY)
    before = bench.drive.position_actual
    list(bench.run(0.01))
    assert bench.drive.velocity_actual == 0
    assert bench.drive.position_actual > before
    bench.drive.defects = Defect.POSITION
    before = bench.drive.position_actual
    list(bench.run(0.01))
    assert bench.drive.velocity_actual != 0
    assert bench.drive.position_actual == before


def test_people_name_defects_by_words() -> None:
    assert defects_of(["quick-stop", "al"]) == Defect.QUICK_STOP | Defect.AL
    with pytest.raises(ValueError, match="disable-voltage"):
        defects_of(["nothing"])
    assert len(WORDS) == len(Defect)


def test_an_object_can_be_absent_or_refuse_or_forget() -> None:
    bench = SegmentBench((Device.DRIVE,))
    dictionary = bench._applications[0]._objects.dictionary
    value = (6).to_bytes(2, "little")
    bench.object_fault(0, 0x605A, ObjectFault.FORGETS)
    dictionary.write(0x605A, 0, value, 2)
    assert dictionary.read(0x605A, 0, 2) != value
    for fault in (ObjectFault.READ_ONLY, ObjectFault.ABSENT):
        bench.object_fault(0, 0x605A, fault)
        with pytest.raises(Exception, match="605A"):
            dictionary.write(0x605A, 0, value, 2)
    bench.object_fault(0, 0x605A, ObjectFault.NONE)
    dictionary.write(0x605A, 0, value, 2)
    assert dictionary.read(0x605A, 0, 2) == value
