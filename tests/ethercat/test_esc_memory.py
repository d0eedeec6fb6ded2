"""Sync managers and FMMUs of the native ESC: handshake, consistency, logical addresses down to bits."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import Device, parse_devices
from fieldstack_ethercat.testing.direct_master import INPUT_BASE, DirectMaster
from fieldstack_ethercat.wire.al import AlState
from fieldstack_ethercat.wire.datagram import Command
from fieldstack_ethercat.wire.fmmu import TYPE_READ, TYPE_WRITE, Fmmu
from fieldstack_ethercat.wire.registers import Register, fmmu_register, sync_manager_register
from fieldstack_ethercat.wire.sync_manager import SyncManager, unpack_sync_manager

PLAIN = 0x1800
"""RAM that no sync manager covers."""


def master_of(devices: str) -> DirectMaster:
    return DirectMaster(SegmentBench(parse_devices(devices)).chain)


@pytest.fixture
def master() -> DirectMaster:
    return master_of("drive")


def sync_manager(master: DirectMaster, index: int) -> SyncManager:
    return unpack_sync_manager(master.read(0, sync_manager_register(index), 8))


# --- mailbox mode ---


def test_a_mailbox_takes_one_telegram_until_the_slave_has_read_it(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    telegram = bytes([4, 0, 0, 0, 0, 0x13, 1, 2, 3, 4]).ljust(256, b"\0")
    assert master.write(0, 0x1000, telegram) == 1
    assert sync_manager(master, 0).full
    assert master.write(0, 0x1000, telegram) == 0
    assert master.chain.mailboxes.take() == (0, telegram[:10])
    assert not sync_manager(master, 0).full
    assert master.chain.mailboxes.take() is None


def test_a_telegram_sent_twice_is_served_once(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    telegram = bytes([0, 0, 0, 0, 0, 0x23]).ljust(256, b"\0")
    for expected in ((0, telegram[:6]), None):
        assert master.write(0, 0x1000, telegram) == 1
        assert master.chain.mailboxes.take() == expected
        assert not sync_manager(master, 0).full


def test_a_mailbox_is_written_from_start_to_end(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    assert master.write(0, 0x1080, bytes(128)) == 0
    assert master.write(0, 0x1000, bytes(128)) == 1
    assert not sync_manager(master, 0).full
    assert master.write(0, 0x1080, bytes(128)) == 1
    assert sync_manager(master, 0).full


def test_a_mailbox_that_is_shorter_than_a_telegram_s_header_serves_none(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    end = 0x3000
    master.write(0, sync_manager_register(0) + 6, b"\0")
    master.write(0, sync_manager_register(0), SyncManager(end - 4, 4, 0x26).pack())
    assert master.write(0, end - 4, b"\xff" * 4) == 1
    assert not sync_manager(master, 0).full
    assert master.chain.mailboxes.take() is None


def test_a_telegram_in_a_mailbox_that_is_lost_since_is_gone(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    telegram = bytes([4, 0, 0, 0, 0, 0x13, 1, 2, 3, 4]).ljust(256, b"\0")
    assert master.write(0, sync_manager(master, 0).start, telegram) == 1
    master.chain.faults.poke(0, sync_manager_register(0), b"\xff\xff")  # its start, far outside of the memory
    assert master.chain.mailboxes.take() is None


def test_replies_are_read_in_order_and_an_empty_mailbox_refuses(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    assert master.physical(Command.APRD, 0, 0x1100, bytes(256)).working_counter == 0
    replies = [bytes([2, 0, 0, 0, 0, 0x13 + 16 * n, n, n]) for n in range(3)]
    for reply in replies:
        master.chain.mailboxes.reply(0, reply)
    for reply in replies:
        assert sync_manager(master, 1).full
        assert master.read(0, 0x1100, 256) == reply.ljust(256, b"\0")
    assert not sync_manager(master, 1).full


def test_a_repeat_request_brings_the_last_reply_again(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    master.chain.mailboxes.reply(0, b"\x01\0\0\0\0\x13\x99")
    first = master.read(0, 0x1100, 256)
    assert master.write(0, sync_manager_register(1) + 6, b"\x03") == 1
    assert sync_manager(master, 1).pdi_control & 2
    assert master.read(0, 0x1100, 256) == first


def test_the_mailbox_is_off_in_init(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    master.chain.mailboxes.reply(0, b"\x01\0\0\0\0\x13\x99")
    master.request(0, AlState.INIT)
    assert not sync_manager(master, 1).full
    assert master.write(0, 0x1000, bytes(256)) == 0


def test_an_enabled_sync_manager_keeps_its_settings(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    master.write(0, sync_manager_register(0), SyncManager(0x1800, 64, 0x26).pack())
    assert sync_manager(master, 0).start == 0x1000
    master.write(0, sync_manager_register(0) + 6, b"\0")
    master.write(0, sync_manager_register(0), SyncManager(0x1800, 64, 0x26).pack())
    assert sync_manager(master, 0).start == 0x1800


# --- buffered mode ---


def test_outputs_reach_the_device_when_the_last_byte_is_written(master: DirectMaster) -> None:
    master.bring_up(0)
    assert master.write(0, 0x1200, b"\x06\x00" + bytes(4)) == 1
    assert master.chain.report.truth(0).outputs[:2] == b"\0\0"
    assert master.write(0, 0x1206, bytes(6)) == 1
    assert master.chain.report.truth(0).outputs[:2] == b"\x06\0"


def test_outputs_cannot_be_read_and_inputs_cannot_be_written(master: DirectMaster) -> None:
    master.bring_up(0)
    assert master.physical(Command.APRD, 0, 0x1200, bytes(12)).working_counter == 0
    assert master.write(0, 0x1400, bytes(16)) == 0


def test_inputs_are_those_of_the_moment(master: DirectMaster) -> None:
    master.bring_up(0)
    drive = master.chain.device(0)
    drive.position_actual = -123456
    assert master.inputs(0, 16)[4:8] == (-123456).to_bytes(4, "little", signed=True)


def test_digital_channels_are_single_bits() -> None:
    master = master_of("dio")
    master.bring_up(0)
    master.chain.faults.set_inputs(0, 0b1010_0110)
    master.advance(1)
    assert master.inputs(0, 1) == bytes([0b1010_0110])
    master.outputs(0, bytes([0b0101_0001]))
    master.advance(1)
    assert master.chain.report.truth(0).digital_outputs == 0b0101_0001


# --- logical addresses ---


def test_lrw_counts_one_for_reading_and_two_for_writing() -> None:
    master = master_of("drive*3")
    for slave in range(3):
        master.bring_up(slave)
    everything = bytes(INPUT_BASE // 2)
    assert master.logical(Command.LWR, 0, everything).working_counter == 3
    assert master.logical(Command.LRD, INPUT_BASE, everything).working_counter == 3
    for slave in range(3):
        unit = Fmmu(0x2000 + 16 * slave, 16, 0x1400, TYPE_READ)
        master.write(slave, fmmu_register(1), unit.pack())
        master.write(slave, fmmu_register(0), Fmmu(0x2000 + 16 * slave, 12, 0x1200, TYPE_WRITE).pack())
    assert master.logical(Command.LRW, 0x2000, bytes(48)).working_counter == 9
    assert master.logical(Command.LRW, 0x2010, bytes(16)).working_counter == 3
    assert (
        master.logical(Command.LRW, 0x200C, bytes(4)).working_counter == 0
    )  # inputs from the middle: not open


def test_where_outputs_and_inputs_share_addresses_both_get_theirs(master: DirectMaster) -> None:
    master.bring_up(0)
    master.write(0, fmmu_register(0), Fmmu(0x2000, 12, 0x1200, TYPE_WRITE).pack())
    master.write(0, fmmu_register(1), Fmmu(0x2000, 16, 0x1400, TYPE_READ).pack())
    master.chain.device(0).position_actual = 77
    answer = master.logical(Command.LRW, 0x2000, b"\x06\x00".ljust(16, b"\0"))
    assert master.chain.report.truth(0).outputs[:2] == b"\x06\x00"
    assert answer.data[4:8] == (77).to_bytes(4, "little")


def test_an_fmmu_that_reads_and_writes_exchanges(master: DirectMaster) -> None:
    master.write(0, PLAIN, b"old!")
    master.write(0, fmmu_register(0), Fmmu(0x100, 4, PLAIN, TYPE_READ | TYPE_WRITE).pack())
    answer = master.logical(Command.LRW, 0x100, b"new!")
    assert (answer.data, answer.working_counter) == (b"old!", 3)
    assert master.read(0, PLAIN, 4) == b"new!"


def test_addresses_beside_the_fmmu_are_untouched(master: DirectMaster) -> None:
    master.write(0, PLAIN, b"\xaa" * 8)
    master.write(0, fmmu_register(0), Fmmu(0x102, 4, PLAIN, TYPE_READ).pack())
    answer = master.logical(Command.LRD, 0x100, bytes(8))
    assert (answer.data, answer.working_counter) == (bytes(2) + b"\xaa" * 4 + bytes(2), 1)
    assert master.logical(Command.LRD, 0x106, bytes(8)).working_counter == 0
    master.write(0, fmmu_register(0) + 12, b"\0")
    assert master.logical(Command.LRD, 0x100, bytes(8)).working_counter == 0


def bits_of(data: bytes) -> list[int]:
    return [byte >> bit & 1 for byte in data for bit in range(8)]


def bytes_of(bits: list[int]) -> bytes:
    return bytes(sum(bit << n for n, bit in enumerate(bits[i : i + 8])) for i in range(0, len(bits), 8))


@dataclass(frozen=True)
class BitCase:
    """An FMMU of bits over `memory`, and a datagram at logical `at` with `data`."""

    unit: Fmmu
    memory: bytes
    at: int
    data: bytes

    def reached(self) -> dict[int, int]:
        """Bits of the datagram that the FMMU maps, each with its bit in memory."""
        first = self.unit.logical_start * 8 + self.unit.logical_start_bit - self.at * 8
        bits = ((first + n, self.unit.physical_start_bit + n) for n in range(self.unit.bits))
        return {logical: physical for logical, physical in bits if 0 <= logical < 8 * len(self.data)}


def bit_unit(start: int, first_bit: int, bits: int, physical_bit: int) -> Fmmu:
    last = first_bit + bits - 1
    return Fmmu(start, last // 8 + 1, PLAIN, TYPE_WRITE, first_bit, last % 8, physical_bit)


BIT_CASES = st.builds(
    BitCase,
    unit=st.builds(bit_unit, st.integers(0, 20), st.integers(0, 7), st.integers(1, 40), st.integers(0, 7)),
    memory=st.binary(min_size=8, max_size=8),
    at=st.integers(0, 23),
    data=st.binary(min_size=1, max_size=24),
)


@settings(max_examples=150, deadline=None)
@given(BIT_CASES)
def test_bits_are_mapped_as_a_model_in_python_maps_them(case: BitCase) -> None:
    master, reached = BITS_MASTER, case.reached()
    logical, memory = bits_of(case.data), bits_of(case.memory)
    master.write(0, PLAIN, case.memory)
    master.write(0, fmmu_register(0), case.unit.pack())
    written = master.logical(Command.LWR, case.at, case.data)
    for bit, physical in reached.items():
        memory[physical] = logical[bit]
    assert master.read(0, PLAIN, 8) == bytes_of(memory)
    assert (written.working_counter, written.data) == (1 if reached else 0, case.data)
    master.write(0, PLAIN, case.memory[::-1])
    master.write(0, fmmu_register(0) + 11, bytes([TYPE_READ]))
    read = master.logical(Command.LRD, case.at, case.data)
    for bit, physical in reached.items():
        logical[bit] = bits_of(case.memory[::-1])[physical]
    assert (read.working_counter, read.data) == (1 if reached else 0, bytes_of(logical))


BITS_MASTER = master_of("drive")


def test_registers_can_be_mapped_too(master: DirectMaster) -> None:
    """The mailbox state on one logical bit: how masters watch mailboxes in their cycle."""
    master.bring_up(0, AlState.PREOP)
    unit = Fmmu(0x40, 1, Register.SYNC_MANAGER + 8 + 5, TYPE_READ, 2, 2, 3)
    master.write(0, fmmu_register(2), unit.pack())
    assert master.logical(Command.LRD, 0x40, b"\0").data == b"\0"
    master.chain.mailboxes.reply(0, b"\x01\0\0\0\0\x13\x99")
    assert master.logical(Command.LRD, 0x40, b"\0").data == b"\x04"


def test_devices_have_their_serial_numbers() -> None:
    master = DirectMaster(SegmentBench([Device.DIO, Device.DIO]).chain)
    assert [master.sii(slave).identity.serial for slave in range(2)] == [1, 2]
