"""A scan of a real segment, and the configuration that is written from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fieldstack_ethercat.bus.config.loading import load_file, load_text
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.planning import make_plan
from fieldstack_ethercat.bus.errors import BusError, InterfaceError, NoSlavesError
from fieldstack_ethercat.bus.master import scan_document
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.bus.master.scan import ScannedSlave, from_sii, scan
from fieldstack_ethercat.segment.client import cut
from fieldstack_ethercat.testing.exchange_loop import ExchangeLoop
from fieldstack_ethercat.testing.running_segment import RunningSegment, running_segment


@pytest.fixture(scope="module")
def segment() -> Iterator[RunningSegment]:
    with running_segment("dio,drive*2,dio") as running:
        yield running


@pytest.fixture(scope="module")
def scanned(segment: RunningSegment) -> tuple[ScannedSlave, ...]:
    return scan(segment.interface)


def test_scan_sees_identities_drives_and_mappings(scanned: tuple[ScannedSlave, ...]) -> None:
    assert [slave.is_drive for slave in scanned] == [False, True, True, False]
    assert [slave.found.product for slave in scanned] == [0x101, 0x402, 0x402, 0x101]
    ((rx_index, rx),) = scanned[1].rx
    assert rx_index == 0x1600
    assert rx[0] == 0x60400010
    ((_, inputs),) = scanned[0].tx
    assert [slave.has_clock for slave in scanned] == [False, True, True, False]
    assert inputs == tuple(0x60000001 | sub << 8 for sub in range(1, 9))


def test_written_configuration_brings_the_segment_up(
    segment: RunningSegment, scanned: tuple[ScannedSlave, ...], tmp_path: Path
) -> None:
    path = tmp_path / "found.yaml"
    text = scan_document.document(segment.interface, scanned)
    assert "distributed_clocks: {enabled: false} # 2 of 4 slaves have such a clock\n" in text
    scan_document.write(path, text)
    loaded = load_file(path)
    assert [axis.slave for axis in loaded.config.axes] == ["drive-1", "drive-2"]
    with Bus(make_plan(loaded)) as bus:
        bus.configure()
        with ExchangeLoop(bus) as loop:
            bus.request_op()
            assert loop.wait_for_wkc(12, timeout_s=2)


def test_a_slave_without_coe_tells_its_mapping_in_its_eeprom(
    segment: RunningSegment, scanned: tuple[ScannedSlave, ...]
) -> None:
    """The virtual devices have both, so that the two ways can be compared."""
    with Bus(BusPlan("", "", segment.interface, 1_000_000, 500, (), ())) as bus:
        for found in bus.find():
            told = from_sii(bus.master.slaves[found.position], found)
            assert (told.rx, told.tx) == (scanned[found.position].rx, scanned[found.position].tx)


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    with pytest.raises(scan_document.FileExistsAlreadyError, match="--force"):
        scan_document.write(path, "new")
    assert path.read_text() == "precious"
    scan_document.write(path, "new", force=True)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_awkward_names_become_valid_and_unique(scanned: tuple[ScannedSlave, ...]) -> None:
    awkward = tuple(
        replace(slave, is_drive=False, found=replace(slave.found, name=name))
        for slave, name in zip(scanned, ("", 'x: "#{\n}', "Ä" * 60, ""), strict=True)
    )
    config = load_text(scan_document.document("eth0", awkward)).config
    assert len({slave.name for slave in config.slaves}) == 4


def test_what_a_drive_tells_of_itself_is_used_and_nonsense_is_not(scanned: tuple[ScannedSlave, ...]) -> None:
    told = {
        "velocity_max": 4_000,
        "position_min": 0,
        "position_max": 0x7FFFFFFF,
        "acceleration_max": 0xFFFFFFFF,
    }
    drive = replace(scanned[1], limits=told)
    (axis,) = load_text(scan_document.document("eth0", (drive,))).config.axes
    assert axis.velocity_max == 4_000
    assert axis.position_max == scan_document.DEFAULT_LIMITS["position_max"]
    assert axis.acceleration_max == scan_document.DEFAULT_LIMITS["acceleration_max"]


def test_a_slave_that_cannot_be_read_is_an_error_not_a_gap(scanned: tuple[ScannedSlave, ...]) -> None:
    broken = replace(scanned[0], problem="its PDO mapping cannot be read")
    with pytest.raises(BusError, match=r"position 0 .*cannot be read"):
        scan_document.document("eth0", (broken,))


def test_nothing_to_scan(segment: RunningSegment) -> None:
    with cut(segment.client, 0), pytest.raises(NoSlavesError):
        scan(segment.interface)
    with pytest.raises(InterfaceError):
        scan("no-such-if")
