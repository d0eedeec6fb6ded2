"""The process data watchdog: by time, not by frames."""

import itertools

import pytest

from fieldstack_ethercat.segment.bench import SegmentBench
from fieldstack_ethercat.segment.catalogue import parse_devices
from fieldstack_ethercat.segment.truth import EventKind
from fieldstack_ethercat.testing.direct_master import INPUT_BASE, DirectMaster
from fieldstack_ethercat.wire.al import AlState, AlStatus, AlStatusCode
from fieldstack_ethercat.wire.datagram import Command
from fieldstack_ethercat.wire.registers import Register

OUTPUTS = b"\x0f".ljust(12, b"\x22")


def master_of(devices: str, watchdog_ms: float = 100.0) -> DirectMaster:
    return DirectMaster(SegmentBench(parse_devices(devices), watchdog_ms).chain)


@pytest.fixture
def master() -> DirectMaster:
    master = master_of("drive")
    master.bring_up(0)
    master.outputs(0, OUTPUTS)
    return master


def test_it_expires_after_a_hundred_milliseconds_without_outputs(master: DirectMaster) -> None:
    master.advance(99.75)
    assert master.al_status(0) == AlStatus(AlState.OP)
    master.advance(0.5)
    assert master.al_status(0) == AlStatus(AlState.SAFEOP | 0x10, AlStatusCode.SM_WATCHDOG)
    truth = master.chain.report.truth(0)
    assert (truth.outputs, truth.outputs_valid, truth.safe) == (bytes(12), False, True)
    assert truth.watchdog_expiries == 1
    assert master.read(0, Register.WATCHDOG_COUNTER_PROCESS_DATA, 1) == b"\x01"
    assert master.read(0, Register.WATCHDOG_STATUS, 1) == b"\x00"


def test_outputs_hold_it_off_and_other_frames_do_not(master: DirectMaster) -> None:
    for _ in range(4):
        master.advance(60)
        assert master.outputs(0, OUTPUTS) == 1
    for _ in range(4):
        master.advance(26)
        master.al_status(0)
        master.inputs(0, 16)
    assert master.al_status(0).code == AlStatusCode.SM_WATCHDOG


def test_after_it_the_slaves_share_of_the_working_counter_is_gone(master: DirectMaster) -> None:
    master.advance(101)
    assert master.outputs(0, OUTPUTS) == 0
    assert master.logical(Command.LRD, INPUT_BASE, bytes(16)).working_counter == 1


def test_it_tells_the_device_and_stamps_what_happened(master: DirectMaster) -> None:
    written_ns = master.now_ns
    master.advance(101)
    kinds = (EventKind.WATCHDOG_EXPIRED, EventKind.OUTPUTS_INVALID, EventKind.OUTPUTS_SAFE)
    stamps = {event.kind: event.t_ns for event in master.chain.report.events(0) if event.kind in kinds}
    assert set(stamps) == set(kinds)
    assert {stamp - written_ns for stamp in stamps.values()} == {100_000_000}
    assert master.chain.report.truth(0).safe_since_ns == written_ns + 100_000_000


def test_a_digital_terminal_drops_its_outputs() -> None:
    master = master_of("dio")
    master.bring_up(0)
    master.outputs(0, b"\xff")
    master.advance(50)
    assert master.chain.report.truth(0).digital_outputs == 0xFF
    master.advance(51)
    assert master.chain.report.truth(0).digital_outputs == 0


def test_op_comes_back_after_an_acknowledge(master: DirectMaster) -> None:
    master.advance(101)
    assert master.request(0, AlState.OP).error
    assert master.request(0, AlState.OP, acknowledge=True) == AlStatus(AlState.SAFEOP)
    assert master.outputs(0, OUTPUTS) == 1
    assert master.al_status(0) == AlStatus(AlState.OP)
    master.advance(101)
    assert master.chain.report.truth(0).watchdog_expiries == 2


@pytest.mark.parametrize(
    ("divider", "time", "milliseconds"), [(2498, 500, 50), (23, 10_000, 10), (0, 25_000, 2)]
)
def test_its_time_is_that_of_the_registers(divider: int, time: int, milliseconds: int) -> None:
    master = master_of("drive")
    master.write(0, Register.WATCHDOG_DIVIDER, divider.to_bytes(2, "little"))
    master.write(0, Register.WATCHDOG_TIME_PROCESS_DATA, time.to_bytes(2, "little"))
    assert master.bring_up(0) == AlStatus(AlState.OP)
    master.advance(milliseconds - 0.25)
    assert not master.al_status(0).error
    master.advance(0.5)
    assert master.al_status(0).code == AlStatusCode.SM_WATCHDOG


def test_zero_switches_it_off() -> None:
    master = master_of("drive", watchdog_ms=0)
    master.bring_up(0)
    master.advance(2000)
    assert master.al_status(0) == AlStatus(AlState.OP)


def test_the_default_comes_back_with_power(master: DirectMaster) -> None:
    master.write(0, Register.WATCHDOG_TIME_PROCESS_DATA, b"\0\0")
    master.chain.faults.power(0, False)
    master.chain.faults.power(0, True)
    assert master.read(0, Register.WATCHDOG_TIME_PROCESS_DATA, 2) == (1000).to_bytes(2, "little")


def test_slaves_expire_each_for_itself() -> None:
    master = master_of("drive*2")
    for slave in range(2):
        master.bring_up(slave)
    for _ in range(3):
        master.advance(40)
        master.outputs(1, OUTPUTS)
    assert [master.al_status(slave).error for slave in range(2)] == [True, False]


def csv_command(controlword: int, velocity: int) -> bytes:
    """The drive's default outputs: controlword, mode CSV, padding, target position, target velocity."""
    return controlword.to_bytes(2, "little") + b"\x09\0" + bytes(4) + velocity.to_bytes(4, "little")


def test_an_axis_in_motion_slows_down_along_its_quick_stop_ramp() -> None:
    master = master_of("drive")
    master.bring_up(0)
    drive = master.chain.device(0)
    drive.quick_stop_deceleration = 200_000
    for controlword, cycles in ((0x06, 100), (0x07, 100), (0x0F, 1000)):
        for _ in range(cycles):
            master.outputs(0, csv_command(controlword, 30_000))
            master.advance(1)
    before = master.chain.report.truth(0)
    assert before.velocity == pytest.approx(30_000, rel=0.02)
    master.advance(100 + 150 + 50)
    expired = next(e for e in master.chain.report.events(0) if e.kind is EventKind.WATCHDOG_EXPIRED)
    ramp = [s for s in master.chain.report.trace(0, before.samples) if s.t_ns >= expired.t_ns]
    slopes = [(b.velocity - a.velocity) * 1000 for a, b in itertools.pairwise(ramp[20:120])]
    assert sum(slopes) / len(slopes) == pytest.approx(-200_000, rel=0.05)
    jumps = [abs(b.position - a.position) for a, b in itertools.pairwise(ramp)]
    assert max(jumps) < 35
    assert ramp[-1].velocity == pytest.approx(0, abs=200)
