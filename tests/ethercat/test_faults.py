"""Faults of line, power and devices on the native chain."""

import pytest

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.description.errors import NativeError
from fieldstack_ethercat.segment.truth import EventKind
from fieldstack_ethercat.testing.direct_master import DirectMaster
from fieldstack_ethercat.wire.al import AlState, AlStatus
from fieldstack_ethercat.wire.datagram import Command, Datagram, physical_address
from fieldstack_ethercat.wire.frame import frame_of
from fieldstack_ethercat.wire.registers import Register

SLAVES = 4


@pytest.fixture
def bench() -> SegmentBench:
    return SegmentBench(parse_devices("drive*3,dio"))


@pytest.fixture
def master(bench: SegmentBench) -> DirectMaster:
    return DirectMaster(bench.chain)


def count(master: DirectMaster) -> int | None:
    """Slaves that a broadcast read reaches; None without an answer."""
    answer = master.exchange(Datagram(Command.BRD, 0, physical_address(0, 0), bytes(1)))
    return None if answer is None else answer[0].working_counter


@pytest.mark.parametrize("after", range(SLAVES))
def test_a_cut_cable_ends_the_chain_there(master: DirectMaster, after: int) -> None:
    master.chain.faults.cut_cable(after)
    assert count(master) == (after or None)
    assert [master.chain.report.truth(slave).reached for slave in range(SLAVES)] == [
        n < after for n in range(SLAVES)
    ]
    master.chain.faults.heal_cable()
    assert count(master) == SLAVES


def test_ports_show_the_cut_and_count_lost_links(master: DirectMaster) -> None:
    master.chain.faults.cut_cable(2)
    assert master.read(1, Register.DL_STATUS + 1, 1) == b"\x56"
    assert master.read(1, Register.LOST_LINK_COUNTER, 4) == b"\x00\x01\x00\x00"
    master.chain.faults.heal_cable()
    assert master.read(1, Register.DL_STATUS + 1, 1) == b"\x5a"
    assert master.read(2, Register.LOST_LINK_COUNTER, 4) == b"\x01\x00\x00\x00"
    assert master.write(2, Register.LOST_LINK_COUNTER, b"\0") == 1
    assert master.read(2, Register.LOST_LINK_COUNTER, 4) == bytes(4)


def test_slaves_behind_a_cut_go_on_until_their_watchdogs_end_it(master: DirectMaster) -> None:
    for slave in range(SLAVES):
        master.bring_up(slave)
    master.chain.faults.cut_cable(2)
    for _ in range(3):
        master.advance(40)
        for slave in range(2):
            master.outputs(slave, bytes(12))
    states = [master.chain.report.truth(slave).al_status for slave in range(SLAVES)]
    assert states == [AlState.OP, AlState.OP, AlState.SAFEOP | 0x10, AlState.SAFEOP | 0x10]


def test_frames_end_before_a_dark_slave(bench: SegmentBench, master: DirectMaster) -> None:
    bench.power(1, False)
    assert count(master) == 1
    bench.power(0, False)
    assert count(master) is None
    assert master.chain.report.statistics().lost == 1
    bench.power(0, True)
    bench.power(1, True)
    assert count(master) == SLAVES


def test_power_brings_a_slave_back_as_from_the_factory(bench: SegmentBench, master: DirectMaster) -> None:
    for slave in range(SLAVES):
        master.bring_up(slave)
    master.outputs(1, b"\x0f".ljust(12, b"\0"))
    assert not master.chain.report.truth(1).safe
    bench.power(1, False)
    truth = master.chain.report.truth(1)
    assert (truth.powered, truth.safe, truth.safe_since_ns) == (False, True, master.now_ns)
    bench.power(1, True)
    assert master.al_status(1) == AlStatus(AlState.INIT)
    assert master.read(1, Register.STATION_ADDRESS, 2) == b"\0\0"
    assert [e.a for e in master.chain.report.events(1) if e.kind is EventKind.POWER] == [1, 0, 1]
    assert master.bring_up(1) == AlStatus(AlState.OP)


def test_frames_are_dropped_before_they_do_anything(master: DirectMaster) -> None:
    master.chain.faults.drop_frames(2)
    write = frame_of(Datagram(Command.BWR, 0, physical_address(0, Register.USER_RAM), b"\x55")).pack()
    assert [master.chain.frame(write, master.now_ns) is None for _ in range(3)] == [True, True, False]
    assert master.chain.report.statistics().dropped == 2


def test_corrupted_frames_are_used_by_no_slave(master: DirectMaster) -> None:
    master.chain.faults.corrupt_frames(1)
    write = frame_of(Datagram(Command.BWR, 3, physical_address(0, Register.USER_RAM), b"\x55")).pack()
    answer = master.chain.frame(write, master.now_ns)
    assert answer is not None
    assert answer[16:] == bytes(byte ^ 0xFF for byte in write[16:])
    assert master.read(0, Register.USER_RAM, 1) == b"\0"
    assert master.read(0, Register.RX_ERROR_COUNTER, 1) == b"\x01"


def test_delayed_frames_do_their_work_at_once_and_answer_later(master: DirectMaster) -> None:
    master.chain.faults.delay_frames(1, 1_000_000)
    assert master.exchange(Datagram(Command.BWR, 0, physical_address(0, Register.USER_RAM), b"\x55")) is None
    assert master.read(0, Register.USER_RAM, 1) == b"\x55"
    statistics = master.chain.report.statistics()
    assert (statistics.delayed, statistics.delay_pending) == (1, 1)


def test_an_answer_that_is_delayed_for_ever_never_comes(master: DirectMaster) -> None:
    master.chain.faults.delay_frames(1, 2**63 - 1)
    assert master.exchange(Datagram(Command.BRD, 0, physical_address(0, Register.USER_RAM), b"\0")) is None
    assert master.chain.report.statistics().delay_pending == 1


def test_a_drive_fault_shows_in_its_objects(master: DirectMaster) -> None:
    master.bring_up(0)
    master.chain.faults.drive_fault(0, 0x7500)
    master.advance(5)
    truth = master.chain.report.truth(0)
    assert (truth.error_code, truth.statusword & 0x4F) == (0x7500, 0x08)


@pytest.mark.parametrize(
    "order",
    [
        lambda chain: chain.faults.cut_cable(SLAVES),
        lambda chain: chain.faults.power(SLAVES, True),
        lambda chain: chain.faults.drive_fault(3, 1),
        lambda chain: chain.faults.set_inputs(0, 1),
        lambda chain: chain.faults.delay_frames(1, 0),
        lambda chain: chain.set_safe_image(0, b"\0"),
    ],
)
def test_orders_that_make_no_sense_are_refused(master: DirectMaster, order: object) -> None:
    with pytest.raises(NativeError):
        order(master.chain)  # type: ignore[operator]
