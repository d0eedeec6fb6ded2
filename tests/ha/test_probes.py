"""What the probes tell of a shared memory that a test has written, well or damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldstack.ha.model.cell_map import CellMap
from fieldstack.ha.model.measures import FactKind, Measure
from fieldstack.ha.probes.axes import Axes
from fieldstack.ha.probes.cycle import Cycle
from fieldstack.ha.probes.housekeeping import Housekeeping
from fieldstack.ha.probes.power import TRY_NS, Power
from fieldstack.ha.probes.process_progress import ProcessProgress
from fieldstack.ha.probes.refused import RefusedAgain
from fieldstack.ha.probes.slaves import Slaves
from fieldstack.ha.probes.store_health import StoreHealth
from fieldstack.ha.probes.tasks import Tasks
from fieldstack.tasks.keep.checkpoint import Saved, encode
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.planning import plan_from_file
from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.atomic_words import NO_MORE
from fieldstack_rt.datastore.layout import NO_DC, AxisMode, CoreState

CONFIG = Path(__file__).resolve().parents[2] / "config"
MS = 1_000_000
NOW = 10**12
CELL = CellMap(("x-drive", "dio"), ("x",), (200,))


class Seen:
    """The records of one pass; None where nothing could be read."""

    def __init__(self) -> None:
        self.rt_status: Any = None
        self.rt_bus: Any = None
        self.core_status: Any = None


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataStore]:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    made = DataStore.create(Instance(f"t-probe-{os.getpid()}"))
    yield made
    made.unlink()


@pytest.fixture
def seen(store: DataStore) -> Seen:
    made = Seen()
    made.rt_status, made.rt_bus = store.new("fs_rt_status"), store.new("fs_rt_bus")
    made.core_status = store.new("fs_core_status")
    return made


def told(probe: Any, now: int = NOW) -> dict[tuple[FactKind, str], Measure]:
    return {(one.fact, one.subject): one for one in probe.measures(now)}


def test_nothing_that_could_not_be_read_is_told() -> None:
    blind = Seen()
    assert not [
        one
        for probe in (
            ProcessProgress(blind),
            Cycle(blind),
            Slaves(blind, CELL),
            Axes(blind, CELL),
            Tasks(blind),
        )
        for one in probe.measures(NOW)
    ]


def test_silence_of_rts_housekeeping(store: DataStore, seen: Seen) -> None:
    probe, key = Housekeeping(seen, store), (FactKind.HOUSEKEEPING_SILENT, "fieldstack-rt")
    seen.rt_status.started_ns = NOW - 5_000 * MS
    assert told(probe)[key].value == 0, "it comes up"
    assert told(probe, NOW + 28_000 * MS)[key].value == 33_000, "it should have come up by now"
    store.beat_rt_main(NOW - 700 * MS)
    assert told(probe)[key].value == 700
    for stray in (0, 12345, NOW + 100_000 * MS, 2**63, 2**64 - 1):
        store.raw.rt_main_beat_ns = stray
        assert told(probe, NOW + 60_000 * MS)[key].value >= 25_000, (
            "no stray word makes it look well, or going down"
        )
    store.beat_rt_main(NO_MORE)
    assert told(probe, NOW + 60_000 * MS)[key].value == 0, "it goes down"
    assert told(probe, NOW + 75_000 * MS)[key].value == 0
    assert told(probe, NOW + 81_000 * MS)[key].value == 21_000, "not for so long"


@pytest.mark.parametrize("stray", [0, 2**63, 2**64 - 1])
def test_no_stray_stamp_hides_that_rts_housekeeping_stands_still(
    store: DataStore, seen: Seen, stray: int
) -> None:
    probe, key = Housekeeping(seen, store), (FactKind.HOUSEKEEPING_SILENT, "fieldstack-rt")
    seen.rt_status.epoch, seen.rt_status.started_ns = 1, NOW - 2_000 * MS
    for passed in range(3):
        store.beat_rt_main(NOW + passed * MS)
        assert told(probe, NOW + passed * MS)[key].value < 10
    store.raw.rt_main_beat_ns = stray
    assert told(probe, NOW + 702 * MS)[key].value == 700
    seen.rt_status.epoch, seen.rt_status.started_ns = 2, NOW + 702 * MS
    store.beat_rt_main(0)
    assert told(probe, NOW + 900 * MS)[key].value == 0, "another one comes up"


def test_pace_of_all_three_processes(seen: Seen) -> None:
    seen.rt_status.cycle_ns, seen.rt_status.nonrt_gap_ns = NOW - 3 * MS, 45 * MS
    seen.core_status.pass_ns, seen.core_status.state = NOW - 120 * MS, CoreState.MOVING
    values = {subject: one.value for (_, subject), one in told(ProcessProgress(seen)).items()}
    assert values == {"fieldstack-rt": 3.0, "fieldstack-nonrt": 45.0, "fieldstack-core": 120.0}
    seen.core_status.state = CoreState.STOPPED
    assert "fieldstack-core" not in {subject for _, subject in told(ProcessProgress(seen))}


def test_deadline_misses_in_a_row_and_counted(seen: Seen) -> None:
    seen.rt_status.late_row, seen.rt_status.late_wakeups, seen.rt_status.lost_frames = 2, 7, 4
    found = told(Cycle(seen))
    assert found[FactKind.DEADLINE_MISSES_IN_A_ROW, "fieldstack-rt"].value == 2
    assert found[FactKind.DEADLINE_MISSES, "fieldstack-rt"].value == 11


def test_slaves_by_name_until_the_reading_is_too_old(seen: Seen) -> None:
    bus = seen.rt_bus
    bus.read_ns, bus.slave_count = NOW - 100 * MS, 2
    bus.slaves[0].al_state, bus.slaves[0].al_status_code, bus.slaves[0].rx_errors = 0x14, 0x001B, 9
    bus.slaves[0].dc_difference_ns = -700
    bus.slaves[1].lost, bus.slaves[1].dc_difference_ns = 1, NO_DC
    probe = Slaves(seen, CELL)
    found = told(probe)
    assert found[FactKind.SLAVE_AL_ERROR, "slave:x-drive"].value == 0x1B
    assert found[FactKind.SLAVE_RX_ERRORS, "slave:x-drive"].value == 9
    assert found[FactKind.DC_LOST, "slave:x-drive"].value == 700
    assert [found[FactKind.SLAVE_LOST, name].value for name in ("slave:x-drive", "slave:dio")] == [0, 1]
    assert (FactKind.DC_LOST, "slave:dio") not in found, "it has no distributed clock"
    assert {fact for fact, _ in told(probe, NOW + 1000 * MS)} == {FactKind.SLAVE_RX_ERRORS, FactKind.DC_LOST}


def test_axes_by_share_of_their_limit_and_fault_code(seen: Seen) -> None:
    seen.rt_status.axis_count = 1
    seen.rt_status.axes[0].following_error = -150
    assert told(Axes(seen, CELL))[FactKind.FOLLOWING_ERROR, "axis:x"].value == 0.75
    seen.rt_status.axes[0].state, seen.rt_status.axes[0].error_code = AxisMode.FAULT, 0x8611
    fault = told(Axes(seen, CELL))[FactKind.DRIVE_FAULT, "axis:x"]
    assert (fault.value, "0x8611" in fault.detail) == (0x8611, True)


def test_an_axis_beyond_its_limit_is_told_with_the_way_back_where_its_place_is_known(seen: Seen) -> None:
    plan = plan_from_file(CONFIG / "ethercat/cell.yaml")
    probe, status = Axes(seen, CellMap.of(plan)), seen.rt_status
    status.axis_count, status.wkc, status.expected_wkc = 4, 13, 13
    status.axes[1].target = 3_102_500
    found = told(probe)[FactKind.AXIS_BEYOND_LIMIT, "axis:y"]
    assert found.value == pytest.approx(10.25)
    assert "axis y stands at 310.25 mm, 10.25 mm beyond its limit of 300 mm" in found.detail
    assert "`fieldstack jog y -`" in found.detail
    status.axes[2].target = -2_100_000
    assert "`fieldstack jog z +`" in told(probe)[FactKind.AXIS_BEYOND_LIMIT, "axis:z"].detail
    assert told(probe)[FactKind.AXIS_BEYOND_LIMIT, "axis:x"].value == 0.0
    status.axes_lost = 1 << 1
    assert (FactKind.AXIS_BEYOND_LIMIT, "axis:y") not in told(probe)
    status.wkc = 12
    assert (FactKind.AXIS_BEYOND_LIMIT, "axis:z") not in told(probe)


def behind(probe: Axes, now: int = NOW) -> float:
    return told(probe, now)[FactKind.FOLLOWING_ERROR, "axis:x"].value


def test_what_lost_cycles_explain_is_no_following_error_but_a_jam_is(seen: Seen) -> None:
    """20 cycles without a target: an axis at full speed (10 counts a cycle) is 200 counts behind."""
    probe, status = Axes(seen, replace(CELL, cycle_counts=(10.0,))), seen.rt_status
    status.axis_count, status.wkc_errors = 1, 0
    assert behind(probe) == 0.0
    status.wkc_errors, status.axes[0].following_error = 20, 200
    assert behind(probe) == 0.0
    status.axes[0].following_error = 500
    assert behind(probe) == 1.5, "more than they explain"
    assert behind(probe, NOW + 3000 * MS) == 2.5, "they are long past"


def test_single_lost_cycles_explain_no_more_than_one_stall(seen: Seen) -> None:
    """Ten a second, for a minute: a jam is found as well as without them."""
    probe, status = Axes(seen, replace(CELL, cycle_counts=(10.0,))), seen.rt_status
    status.axis_count, status.axes[0].following_error = 1, 300
    for pass_ in range(600):
        status.wkc_errors = pass_
        found = behind(probe, NOW + pass_ * 100 * MS)
    assert found == 1.4


def test_a_position_that_is_not_known_has_no_following_error(seen: Seen) -> None:
    """While a slave is away the last error is repeated; of a new RT process the counters begin again."""
    seen.rt_status.axis_count, seen.rt_status.axes[0].following_error = 1, 300
    seen.rt_status.bad_wkc_row, seen.rt_status.wkc_errors = 40, 40
    probe = Axes(seen, CELL)
    assert behind(probe) == 0.0
    seen.rt_status.bad_wkc_row = seen.rt_status.wkc_errors = 0
    assert behind(probe) == 1.5


def test_failed_tasks_are_named_with_why(seen: Seen) -> None:
    """Also while Core is away: until it says that somebody has seen to it."""
    probe, core = Tasks(seen), seen.core_status
    core.task = task = encode((), Saved(failed={"weld": "no part"}))
    core.task_size = len(task)
    (found,) = probe.measures(NOW)
    assert (found.subject, found.detail) == ("task:weld", "no part")
    seen.core_status = None
    assert list(probe.measures(NOW + 1000 * MS)) == [found]
    seen.core_status, core.task = core, (task := encode((), Saved()))
    core.task_size = len(task)
    assert not list(probe.measures(NOW + 2000 * MS))


def test_a_report_that_nobody_can_read_is_no_empty_one(seen: Seen) -> None:
    """Nested so deep that a parser runs out of stack: it fails whenever it is asked, until it is mended."""
    probe, core = Tasks(seen), seen.core_status
    core.task = task = encode((), Saved(failed={"weld": "no part"}))
    core.task_size = len(task)
    assert [one.subject for one in probe.measures(NOW)] == ["task:weld"]
    core.task, core.task_size = b'{"failed":' * 800, 8000
    for wait_ms in (1000, 1020, 1040):
        with pytest.raises(ValueError, match="nested more than"):
            list(probe.measures(NOW + wait_ms * MS))
    core.task, core.task_size = task, len(task)
    assert [one.subject for one in probe.measures(NOW + 1060 * MS)] == ["task:weld"]


def inconsistent(probe: StoreHealth, now: int) -> str:
    (found,) = probe.measures(now)
    assert bool(found.value) == bool(found.detail)
    return found.detail


def test_what_is_refused_again_and_again_is_told_with_how_often(seen: Seen) -> None:
    core = seen.core_status
    core.task = task = encode((), Saved(refused={"axis:y": (3, "would jump")}))
    core.task_size = len(task)
    (found,) = Tasks(seen).measures(NOW)
    assert found == Measure(FactKind.REFUSED_REPEATEDLY, "axis:y", 3.0, "would jump")


def test_a_drive_that_refuses_power_is_told_with_how_often(seen: Seen) -> None:
    probe, status = Power(seen, CELL), seen.rt_status
    status.axis_count, status.axes[0].let_go, status.axes[0].statusword = 1, 3, 0x40
    status.axes[0].state = AxisMode.HOLDING
    (found,) = probe.measures(NOW)
    assert (found.subject, found.value, "let go" in found.detail) == ("drive:x", 3.0, True)
    status.axes[0].let_go, status.axes[0].state = 0, AxisMode.ENABLING
    assert not list(probe.measures(NOW))
    (found,) = probe.measures(NOW + 2 * TRY_NS)
    assert (found.value, "does not come up" in found.detail) == (2.0, True)
    status.axes[0].state = AxisMode.HOLDING
    assert not list(probe.measures(NOW + 3 * TRY_NS))


def test_what_parts_of_non_rt_try_in_vain_is_told_by_kind_and_name() -> None:
    probe = RefusedAgain({"spare": ("its warm spare", lambda: {"fieldstack-rt": (4, "no memory")})})
    assert list(probe.measures(NOW)) == [
        Measure(FactKind.REFUSED_REPEATEDLY, "spare:fieldstack-rt", 4.0, "its warm spare: no memory")
    ]


def test_a_new_memory_is_consistent(store: DataStore) -> None:
    assert inconsistent(StoreHealth(store), NOW) == ""


def test_a_record_whose_writer_died_inside_a_write_is_torn(store: DataStore) -> None:
    probe = StoreHealth(store)
    store.raw.rt_status_seq = 7
    assert inconsistent(probe, NOW) == "", "it may be written just now"
    assert "rt_status is torn" in inconsistent(probe, NOW + 100 * MS)
    store.raw.rt_status_seq = 8
    assert inconsistent(probe, NOW + 200 * MS) == ""


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda raw: setattr(raw.header, "magic", 1), "magic"),
        (lambda raw: setattr(raw.header, "layout_hash", 1), "hash"),
        (lambda raw: setattr(raw, "rt_beat", 1000), "rt_beat went back from 5000 to 1000"),
        (lambda raw: setattr(raw, "core_beat", 1 << 60), "core_beat jumped"),
        (lambda raw: setattr(raw, "rt_phase", 99), "rt_phase is 99"),
        (lambda raw: setattr(raw.rt_bus, "slave_count", 900), "900 slaves"),
        (lambda raw: setattr(raw.setpoints, "tail", 77), "setpoints"),
    ],
)
def test_damage_is_named(store: DataStore, damage: Any, says: str) -> None:
    lib.fs_set64(ffi.addressof(store.raw, "rt_beat"), 5000)
    probe = StoreHealth(store)
    damage(store.raw)
    assert says in inconsistent(probe, NOW)


def test_a_checkpoint_with_a_wrong_checksum_is_told(store: DataStore) -> None:
    record = store.new("fs_checkpoint")
    record.generation = 3
    store.write_checkpoint(record)
    probe = StoreHealth(store)
    assert inconsistent(probe, NOW) == ""
    store.raw.checkpoint.position[3] = 77
    assert "checkpoint: its checksum" in inconsistent(probe, NOW + 600 * MS)
