"""Faults inside a slave: slow or unwilling applications, late mailboxes, lost registers, power for all."""

import pytest

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.description.errors import NativeError
from fieldstack_ethercat.segment.mailbox_faults import UNLIMITED, MailboxFaults
from fieldstack_ethercat.segment.slave_faults import lose_registers, slow_states
from fieldstack_ethercat.testing.direct_master import DirectMaster
from fieldstack_ethercat.wire.al import ERROR, AlState, AlStatus
from fieldstack_ethercat.wire.datagram import Command
from fieldstack_ethercat.wire.registers import FMMU_SIZE, Register, sync_manager_register

MS = 1_000_000


@pytest.fixture
def bench() -> SegmentBench:
    return SegmentBench(parse_devices("drive*2,dio"), watchdog_ms=0)


@pytest.fixture
def master(bench: SegmentBench) -> DirectMaster:
    return DirectMaster(bench.chain)


def test_a_slow_slave_takes_its_time_for_a_state_and_no_longer(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    master.configure_process_data(0, master.sii(0))
    slow_states(master.chain, 0, AlState.SAFEOP, 300 * MS)
    assert master.request(0, AlState.SAFEOP).state == AlState.PREOP
    master.advance(200)
    assert master.request(0, AlState.SAFEOP).state == AlState.PREOP  # asked again: no new begin
    master.advance(101)
    assert master.al_status(0) == AlStatus(AlState.SAFEOP)


def test_another_request_takes_the_place_of_the_one_that_waits(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    slow_states(master.chain, 0, 0, 100 * MS)
    master.request(0, AlState.SAFEOP)
    master.request(0, AlState.INIT)
    master.advance(101)
    assert master.al_status(0).state == AlState.INIT


def test_slow_outputs_can_still_be_exchanged_on_the_way_to_op(master: DirectMaster) -> None:
    master.bring_up(0, AlState.SAFEOP)
    slow_states(master.chain, 0, AlState.OP, 50 * MS)
    master.request(0, AlState.OP)
    master.outputs(0, bytes(master.sii(0).sync_managers[2].length))
    assert master.al_status(0).state == AlState.SAFEOP
    master.advance(51)
    master.outputs(0, bytes(master.sii(0).sync_managers[2].length))
    assert master.al_status(0).state == AlState.OP


def test_a_slave_that_is_slow_for_ever_never_enters_the_state(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    master.configure_process_data(0, master.sii(0))
    slow_states(master.chain, 0, AlState.SAFEOP, 2**63 - 1)
    master.request(0, AlState.SAFEOP)
    master.advance(1000)
    assert master.al_status(0) == AlStatus(AlState.PREOP)


def test_a_state_is_refused_so_many_times_with_the_code_given(master: DirectMaster) -> None:
    master.bring_up(0, AlState.PREOP)
    master.configure_process_data(0, master.sii(0))
    master.chain.faults.refuse_state(0, AlState.SAFEOP, 0x1E, 2)
    for _ in range(2):
        assert master.request(0, AlState.SAFEOP) == AlStatus(AlState.PREOP | ERROR, 0x1E)
        master.request(0, AlState.PREOP, acknowledge=True)
    assert master.request(0, AlState.SAFEOP) == AlStatus(AlState.SAFEOP)


@pytest.mark.parametrize(("state", "by_ns"), [(3, 1), (16, 1), (8, -1)])
def test_what_is_no_state_is_refused(bench: SegmentBench, state: int, by_ns: int) -> None:
    with pytest.raises(NativeError):
        bench.chain.faults.slow_state(0, state, by_ns)


def test_lost_fmmus_and_a_closed_channel_show_in_the_counter_alone(master: DirectMaster) -> None:
    for slave in range(2):
        master.bring_up(slave)
    size = master.sii(0).sync_managers[2].length
    assert [master.outputs(slave, bytes(size)) for slave in range(2)] == [1, 1]
    lose_registers(master.chain, 0, "fmmus")
    lose_registers(master.chain, 1, "pdi", 2)
    assert [master.outputs(slave, bytes(size)) for slave in range(2)] == [0, 0]
    assert [master.al_status(slave) for slave in range(2)] == [AlStatus(AlState.OP)] * 2
    assert master.read(0, Register.FMMU, FMMU_SIZE) == bytes(FMMU_SIZE)


def test_a_lost_sync_manager_is_off_in_its_register(master: DirectMaster) -> None:
    master.bring_up(1)
    lose_registers(master.chain, 1, "sync_manager", 3)
    assert master.read(1, sync_manager_register(3) + 6, 1)[0] & 1 == 0


def test_a_slave_without_address_is_there_by_position_only(master: DirectMaster) -> None:
    master.bring_up(1)
    assert master.physical(Command.FPRD, 0x1002, Register.AL_STATUS, bytes(2)).working_counter == 1
    lose_registers(master.chain, 1, "address")
    assert master.physical(Command.FPRD, 0x1002, Register.AL_STATUS, bytes(2)).working_counter == 0
    assert master.al_status(1).state == AlState.OP


def test_power_of_the_whole_bus_comes_back_without_addresses(
    bench: SegmentBench, master: DirectMaster
) -> None:
    for slave in range(2):
        master.bring_up(slave)
    bench.power_all(False)
    assert not any(bench.chain.report.truth(slave).powered for slave in range(3))
    bench.power_all(True)
    assert [bench.chain.report.truth(slave).station_address for slave in range(3)] == [0, 0, 0]
    assert [master.al_status(slave).state for slave in range(3)] == [AlState.INIT] * 3


def test_mailbox_faults_count_down_and_end() -> None:
    faults = MailboxFaults()
    faults.late(1, 7, 2)
    assert [faults.delay_ns(1) for _ in range(3)] == [7, 7, 0]
    faults.silent(1, UNLIMITED)
    assert all(faults.swallows(1) for _ in range(9))
    assert not faults.swallows(0)
    faults.silent(1, 0)
    assert not faults.swallows(1)


def test_late_answers_come_in_order_when_they_are_due() -> None:
    faults = MailboxFaults()
    faults.keep(20, 0, 1, b"b")
    faults.keep(10, 0, 1, b"a")
    assert faults.next_ns == 10
    assert faults.due(9) == []
    assert faults.due(20) == [(0, 1, b"a"), (0, 1, b"b")]
    assert faults.next_ns == 0
