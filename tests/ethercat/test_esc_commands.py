"""Every datagram command on the native ESCs: addressing, data, working counter (ETG.1000.4, 5.4)."""

import struct
from dataclasses import replace

import pytest

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import Device, parse_devices
from fieldstack_ethercat.testing.direct_master import DirectMaster
from fieldstack_ethercat.wire.datagram import Command, Datagram, physical_address
from fieldstack_ethercat.wire.frame import DEFAULT_SOURCE_MAC, frame_of, unpack_frame
from fieldstack_ethercat.wire.registers import Register

SLAVES = 4


@pytest.fixture
def master() -> DirectMaster:
    return DirectMaster(SegmentBench(parse_devices(f"drive*{SLAVES}")).chain)


def station(slave: int) -> int:
    return 0x1001 + slave


@pytest.fixture
def addressed(master: DirectMaster) -> DirectMaster:
    for slave in range(SLAVES):
        assert master.write(slave, Register.STATION_ADDRESS, station(slave).to_bytes(2, "little")) == 1
        assert master.write(slave, Register.USER_RAM, bytes([1 << slave])) == 1
    return master


def test_auto_increment_addresses_the_slave_where_the_count_reaches_zero(addressed: DirectMaster) -> None:
    for slave in range(SLAVES):
        answer = addressed.physical(Command.APRD, -slave, Register.USER_RAM, b"\0")
        assert (answer.data, answer.working_counter) == (bytes([1 << slave]), 1)
        assert answer.position == (SLAVES - slave) & 0xFFFF


def test_no_slave_answers_beyond_the_end(addressed: DirectMaster) -> None:
    assert addressed.physical(Command.APRD, -SLAVES, Register.USER_RAM, b"\x5a") == Datagram(
        Command.APRD, 0, physical_address(0, Register.USER_RAM), b"\x5a"
    )
    assert addressed.physical(Command.FPRD, 0x2222, Register.USER_RAM, b"\x5a").working_counter == 0


def test_station_addresses_stay_as_they_are(addressed: DirectMaster) -> None:
    answer = addressed.physical(Command.FPRD, station(2), Register.USER_RAM, b"\0")
    assert (answer.data, answer.working_counter, answer.position) == (b"\x04", 1, station(2))


def test_the_alias_of_the_eeprom_answers_only_when_it_is_enabled(master: DirectMaster) -> None:
    image = replace(master.sii(1), alias=0x0777)
    master.chain.set_eeprom(1, image.pack())
    master.chain.faults.power(1, False)
    master.chain.faults.power(1, True)
    assert master.read(1, Register.STATION_ALIAS, 2) == b"\x77\x07"
    assert master.physical(Command.FPRD, 0x0777, Register.TYPE, b"\0").working_counter == 0
    assert master.write(1, Register.DL_CONTROL + 3, b"\x01") == 1
    assert master.physical(Command.FPRD, 0x0777, Register.TYPE, b"\0").working_counter == 1


@pytest.mark.parametrize(("command", "counter"), [(Command.APRW, 3), (Command.FPRW, 3)])
def test_read_write_exchanges(addressed: DirectMaster, command: Command, counter: int) -> None:
    position = -1 if command is Command.APRW else station(1)
    answer = addressed.physical(command, position, Register.USER_RAM, b"\xee")
    assert (answer.data, answer.working_counter) == (b"\x02", counter)
    assert addressed.read(1, Register.USER_RAM, 1) == b"\xee"


def test_broadcast_read_ors_what_all_have(addressed: DirectMaster) -> None:
    answer = addressed.physical(Command.BRD, 0, Register.USER_RAM, b"\x80")
    assert (answer.data, answer.working_counter, answer.position) == (b"\x8f", SLAVES, SLAVES)


def test_broadcast_write_reaches_all(addressed: DirectMaster) -> None:
    assert addressed.physical(Command.BWR, 0, Register.USER_RAM, b"\x77").working_counter == SLAVES
    assert [addressed.read(slave, Register.USER_RAM, 1) for slave in range(SLAVES)] == [b"\x77"] * SLAVES


def test_broadcast_read_write_counts_three_each(addressed: DirectMaster) -> None:
    answer = addressed.physical(Command.BRW, 0, Register.USER_RAM, b"\0")
    assert (answer.data, answer.working_counter) == (b"\x0f", 3 * SLAVES)
    # Each slave stores what came in: what the slaves before it had put there.
    assert [addressed.read(slave, Register.USER_RAM, 1) for slave in range(SLAVES)] == [
        b"\0",
        b"\1",
        b"\3",
        b"\7",
    ]


@pytest.mark.parametrize("command", [Command.ARMW, Command.FRMW])
def test_multiple_write_copies_from_one_to_all_behind_it(addressed: DirectMaster, command: Command) -> None:
    position = -1 if command is Command.ARMW else station(1)
    answer = addressed.physical(command, position, Register.USER_RAM, b"\x99")
    assert (answer.data, answer.working_counter) == (b"\x02", SLAVES)
    after = [addressed.read(slave, Register.USER_RAM, 1) for slave in range(SLAVES)]
    assert after == [b"\x99", b"\x02", b"\x02", b"\x02"]


def test_nop_and_unknown_commands_pass_unchanged(addressed: DirectMaster) -> None:
    for code in (0, 15, 200):
        frame = bytearray(frame_of(Datagram(Command.NOP, 7, 0x1234, b"abc")).pack())
        frame[16] = code
        answer = addressed.chain.frame(bytes(frame), addressed.now_ns)
        assert answer is not None
        assert answer[12:] == bytes(frame[12:])


def test_several_datagrams_in_a_frame_work_in_order(addressed: DirectMaster) -> None:
    answers = addressed.exchange(
        Datagram(Command.BRD, 1, physical_address(0, Register.USER_RAM), b"\0"),
        Datagram(Command.APWR, 1, physical_address(0, Register.USER_RAM), b"\xff"),
        Datagram(Command.APRD, 1, physical_address(0, Register.USER_RAM), b"\0"),
    )
    assert answers is not None
    assert [a.data for a in answers] == [b"\x0f", b"\xff", b"\xff"]
    assert [a.working_counter for a in answers] == [4, 1, 1]


def test_the_working_counter_adds_to_what_came_in(addressed: DirectMaster) -> None:
    datagram = Datagram(Command.BRD, 0, physical_address(0, 0), b"\0", working_counter=0xFFFF)
    answers = addressed.exchange(datagram)
    assert answers is not None
    assert answers[0].working_counter == SLAVES - 1


def test_only_read_only_bytes_written_does_not_count(addressed: DirectMaster) -> None:
    assert addressed.write(0, Register.TYPE, b"\x55") == 0
    assert addressed.write(0, Register.DL_STATUS, b"\x55\x55") == 0
    # AL status and its neighbours are the slave's; one writable byte in the range makes it count.
    assert addressed.write(0, Register.STATION_ADDRESS - 4, bytes(4) + b"\x01\x10") == 1
    answer = addressed.physical(Command.APRW, 0, Register.TYPE, b"\0")
    assert (answer.data, answer.working_counter) == (b"\x11", 1)


def test_memory_that_is_not_there_does_not_count(addressed: DirectMaster) -> None:
    assert addressed.physical(Command.APRD, 0, 0x3000, b"\0").working_counter == 0
    assert addressed.physical(Command.APRD, 0, 0x2FFF, b"\0\0").working_counter == 1


def test_frames_come_back_marked(master: DirectMaster) -> None:
    answer = master.chain.frame(frame_of(Datagram(Command.NOP, 0, 0, b"")).pack(), master.now_ns)
    assert answer is not None
    source = unpack_frame(answer).source
    assert source[0] == DEFAULT_SOURCE_MAC[0] | 0x02
    assert source[1:] == DEFAULT_SOURCE_MAC[1:]


def test_what_is_no_ethercat_frame_is_passed_on(master: DirectMaster) -> None:
    foreign = bytes(12) + b"\x08\x00" + bytes(46)
    answer = master.chain.frame(foreign, master.now_ns)
    assert answer is not None
    assert answer[12:] == foreign[12:]
    assert master.chain.report.statistics().malformed == 1


def test_a_datagram_that_runs_over_the_end_is_left_alone(addressed: DirectMaster) -> None:
    frame = bytearray(
        frame_of(Datagram(Command.BWR, 0, physical_address(0, Register.USER_RAM), b"\x55")).pack()
    )
    struct.pack_into("<H", frame, 22, 500)
    addressed.chain.frame(bytes(frame), addressed.now_ns)
    assert addressed.read(0, Register.USER_RAM, 1) == b"\x01"


def test_the_topology_is_a_line(master: DirectMaster) -> None:
    """SOEM's reading of 0x0110: ports 0 and 1 open with communication, at the end only port 0."""
    words = [struct.unpack("<H", master.read(slave, Register.DL_STATUS, 2))[0] for slave in range(SLAVES)]
    assert [word >> 8 for word in words] == [0x5A, 0x5A, 0x5A, 0x56]


def test_al_events_appear_in_the_event_field_through_the_mask(addressed: DirectMaster) -> None:
    addressed.read(0, Register.AL_STATUS, 2)
    addressed.read(0, Register.DL_STATUS, 2)
    addressed.write(0, Register.EVENT_MASK, b"\x08\x00")
    nothing = addressed.physical(Command.APRD, 0, Register.TYPE, b"\0")
    addressed.write(0, Register.AL_CONTROL, b"\x08\x00")  # refused: AL status changes
    seen = addressed.physical(Command.APRD, 0, Register.TYPE, b"\0")
    addressed.read(0, Register.AL_STATUS, 2)
    after = addressed.physical(Command.APRD, 0, Register.TYPE, b"\0")
    assert [nothing.event, seen.event, after.event] == [0, 8, 0]


@pytest.mark.parametrize("device", list(Device))
def test_the_eeprom_reads_as_it_was_written(device: Device) -> None:
    master = DirectMaster(SegmentBench([device]).chain)
    sii = master.sii(0)
    assert (sii.identity.product, sii.name) == (device.value.product_code, device.value.title)
    status = struct.unpack("<H", master.read(0, Register.EEPROM_CONTROL, 2))[0]
    assert status == 0x0040  # 8 bytes a read, checksum good, not busy


def test_eeprom_writes_need_their_enable_bit_and_ownership(master: DirectMaster) -> None:
    master.write(0, Register.EEPROM_DATA, b"\x34\x12")
    master.write(0, Register.EEPROM_CONTROL, b"\x00\x02" + (4).to_bytes(4, "little"))
    assert struct.unpack("<H", master.read(0, Register.EEPROM_CONTROL, 2))[0] & 0x4000
    master.write(0, Register.EEPROM_DATA, b"\x34\x12")
    master.write(0, Register.EEPROM_CONTROL, b"\x01\x02" + (4).to_bytes(4, "little"))
    assert master.eeprom_words(0, 4)[:2] == b"\x34\x12"
    assert master.write(0, Register.EEPROM_CONFIG, b"\x01") == 1
    assert master.write(0, Register.EEPROM_CONTROL, b"\x00\x01") == 0
    assert master.write(0, Register.EEPROM_CONFIG, b"\x00") == 1
    master.write(0, Register.EEPROM_CONTROL, b"\x00\x04")  # reload: the changed alias spoils the checksum
    assert struct.unpack("<H", master.read(0, Register.EEPROM_CONTROL, 2))[0] & 0x0800
