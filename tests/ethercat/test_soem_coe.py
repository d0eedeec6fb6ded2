"""An unmodified pysoem speaks CoE with the virtual devices: every kind of SDO, in every AL state."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pysoem
import pytest

from fieldstack_ethercat.segment.objects import drive as drive_objects
from fieldstack_ethercat.testing.running_segment import running_segment
from fieldstack_ethercat.wire.sdo_abort import AbortCode
from tests.ethercat.bare_master import find_slaves

PREOP, SAFEOP, OP = pysoem.PREOP_STATE, pysoem.SAFEOP_STATE, pysoem.OP_STATE
WAIT_US = 500_000


@pytest.fixture(scope="module")
def interface() -> Iterator[str]:
    with running_segment("drive,dio") as segment:
        yield segment.interface


@pytest.fixture
def master(interface: str) -> Iterator[Any]:
    """A master with both slaves in PRE-OP, their mapping as delivered."""
    master = pysoem.Master()
    master.open(interface)
    try:
        find_slaves(master, 2)
        restore_mapping(master.slaves[0])
        yield master
        master.state = pysoem.INIT_STATE
        master.write_state()
    finally:
        master.close()


def restore_mapping(drive: Any) -> None:
    defaults = {**drive_objects.RX_DEFAULTS.mappings, **drive_objects.TX_DEFAULTS.mappings}
    for index, entries in defaults.items():
        words = [index << 16 | sub << 8 | bits for index, sub, bits in entries]
        drive.sdo_write(index, 0, struct.pack(f"<H{len(words)}I", len(words), *words), ca=True)


def go_to(master: Any, state: int) -> None:
    if state == PREOP:
        return
    for slave in master.slaves:
        slave.set_watchdog("processdata", 0)  # these tests exchange SDOs, and no process data meanwhile
    master.config_map()
    assert master.state_check(SAFEOP, WAIT_US) == SAFEOP
    if state == OP:
        master.send_processdata()
        master.receive_processdata(2000)
        master.state = OP
        master.write_state()
        for _ in range(100):
            master.send_processdata()
            master.receive_processdata(2000)
            if master.state_check(OP, 2000) == OP:
                return
        raise AssertionError(f"no OP: {master.read_state():#x}")


def abort_of(action: Any) -> AbortCode:
    with pytest.raises(pysoem.SdoError) as caught:
        action()
    return AbortCode(caught.value.abort_code)


@pytest.mark.parametrize("state", [PREOP, SAFEOP, OP])
def test_every_kind_of_transfer(master: Any, state: int) -> None:
    go_to(master, state)
    drive = master.slaves[0]
    for data in (b"\x01", b"four", b"five!", bytes(range(230)), bytes(range(256)) * 2):
        drive.sdo_write(0x2000, 0, data)
        assert drive.sdo_read(0x2000, 0, size=600) == data
    drive.sdo_write(0x6085, 0, struct.pack("<I", 12_000_000))
    assert drive.sdo_read(0x6085, 0) == struct.pack("<I", 12_000_000)
    assert drive.sdo_read(0x1008, 0) == b"Fieldstack virtual servo drive"
    assert drive.sdo_read(0x1018, 0, ca=True)[:10] == struct.pack("<HII", 4, 0xF5D, 0x402)
    drive.sdo_write(0x607D, 0, struct.pack("<Hii", 2, -5, 5), ca=True)
    assert drive.sdo_read(0x607D, 1, ca=True) == struct.pack("<ii", -5, 5)
    drive.sdo_write(0x607D, 1, struct.pack("<ii", 0, 0), ca=True)
    assert master.state_check(state, 0) == state


@pytest.mark.parametrize("state", [PREOP, SAFEOP, OP])
def test_aborts_reach_the_master(master: Any, state: int) -> None:
    go_to(master, state)
    drive = master.slaves[0]
    assert abort_of(lambda: drive.sdo_read(0x5FFF, 0)) is AbortCode.NO_OBJECT
    assert abort_of(lambda: drive.sdo_read(0x6041, 1)) is AbortCode.NO_SUBINDEX
    assert abort_of(lambda: drive.sdo_write(0x6041, 0, b"\0\0")) is AbortCode.READ_ONLY
    assert abort_of(lambda: drive.sdo_write(0x6085, 0, b"\x01")) is AbortCode.LENGTH_TOO_LOW
    assert abort_of(lambda: drive.sdo_write(0x6040, 0, bytes(4))) is AbortCode.LENGTH_TOO_HIGH
    assert abort_of(lambda: drive.sdo_write(0x2000, 0, bytes(600))) is AbortCode.LENGTH_TOO_HIGH
    assert abort_of(lambda: drive.sdo_write(0x605A, 0, b"\x04\0")) is AbortCode.VALUE_RANGE
    mapping = AbortCode.SUBINDEX0_NOT_ZERO if state == PREOP else AbortCode.DEVICE_STATE
    assert abort_of(lambda: drive.sdo_write(0x1600, 1, bytes(4))) is mapping


def test_the_whole_dictionary_is_described(master: Any) -> None:
    for slave, top in ((master.slaves[0], 0x6502), (master.slaves[1], 0x7000)):
        objects = slave.od
        assert objects[0].index == 0x1000
        assert objects[-1].index == top
        described = {item.index: (item.name, [entry.name for entry in item.entries]) for item in objects}
        assert described[0x1018][0] == b"Identity"
        assert described[0x1018][1][1:] == [
            b"Vendor ID",
            b"Product code",
            b"Revision number",
            b"Serial number",
        ]
        assert all(name for name, _ in described.values())
    terminal = {item.index: item for item in master.slaves[1].od}
    assert terminal[0x6000].bit_length == 8 + 8


def test_sizes_of_the_process_image_follow_the_mapping(master: Any) -> None:
    drive, terminal = master.slaves
    drive.sdo_write(0x1C12, 0, b"\0")
    drive.sdo_write(0x1600, 0, b"\0")
    for number, entry in enumerate((0x60400010, 0x607A0020, 0x60B10020, 0x60B20010), start=1):
        drive.sdo_write(0x1600, number, struct.pack("<I", entry))
    drive.sdo_write(0x1600, 0, b"\x04")
    drive.sdo_write(0x1C12, 1, struct.pack("<H", 0x1600))
    drive.sdo_write(0x1C12, 0, b"\x01")
    go_to(master, OP)
    assert (len(drive.output), len(drive.input)) == (12, 16)
    assert (len(terminal.output), len(terminal.input)) == (1, 1)


def test_process_data_and_sdo_show_the_same_objects(master: Any) -> None:
    go_to(master, OP)
    drive = master.slaves[0]
    position = struct.unpack_from("<i", drive.input, 4)[0]
    drive.output = struct.pack("<HbxiI", 0x0006, 9, position, 0)
    for _ in range(20):
        master.send_processdata()
        assert master.receive_processdata(2000) == 6
    assert drive.sdo_read(0x6040, 0) == b"\x06\x00"
    assert drive.sdo_read(0x6061, 0) == b"\x09"
    assert drive.sdo_read(0x6041, 0)[0] & 0x6F == 0x21
    assert drive.input[0] & 0x6F == 0x21
